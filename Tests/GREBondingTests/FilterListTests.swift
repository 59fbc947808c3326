import Testing

@testable import GREBonding

@Suite struct FilterListPackageTests {
    private func parse(_ value: String) throws -> FilterListPackage {
        let length = String(value.count / 2, radix: 16)
        let padded = String(repeating: "0", count: 4 - length.count) + length
        let bytes = [UInt8](hex: "2000b7ea00000000" + "61" + "08" + padded + value)
        let message = try ControlMessage(parsing: bytes, dialect: .rfc8157)
        #expect(message.serialized(dialect: .rfc8157) == bytes)
        return try #require(message.filterListPackages.first)
    }

    @Test func unknownItemTypesAreKept() throws {
        let package = try parse("00000001" + "0001" + "0001" + "0063" + "0007" + "0002" + "0002" + "6162" + "63")
        #expect(
            package.items == [FilterItem(type: 99, enable: 2, descriptionBytes: [0x61, 0x62], value: [0x63])])
        #expect(package.items.first?.kind == nil)
    }

    /// An item that does not fit must not cost the message: the HG owes an answer to it.
    @Test(arguments: [
        "0001", "00010003000100", "0001000400010001", "000100ff00010000", "0001ffff0001ffff", "00010004000100",
    ])
    func aMalformedItemIsSetAside(remainder: String) throws {
        let good = "0002" + "0006" + "0001" + "0000" + "3436"
        let package = try parse("00000001" + "0001" + "0001" + good + remainder)
        #expect(package.items == [FilterItem(.dscp, description: "", value: "46")])
        #expect(package.malformedRemainder.hex == remainder)
    }

    @Test func splitFillsPackagesToTheLimit() throws {
        let items = (0..<100).map { FilterItem(.fqdn, description: "item", value: "host-\(100 + $0).example.com") }
        #expect(items.allSatisfy { $0.wireLength == 32 })
        let packages = try FilterListPackage.split(items, commitCount: 9)
        #expect(packages.map(\.packetID) == [1, 2, 3, 4])
        #expect(packages.allSatisfy { $0.packetSum == 4 && $0.commitCount == 9 && $0.valueLength <= 969 })
        #expect(packages.flatMap(\.items) == items)
        #expect(packages.map(\.items.count) == [30, 30, 30, 10])
    }

    @Test func splitAtTheEdges() throws {
        let empty = try FilterListPackage.split([], commitCount: 1)
        #expect(empty == [FilterListPackage(commitCount: 1, items: [])])
        let full = FilterItem(.fqdn, description: "", value: String(repeating: "a", count: 953))
        #expect(try FilterListPackage.split([full, full], commitCount: 1).map(\.valueLength) == [969, 969])
        let long = FilterItem(.fqdn, description: "LONG", value: String(repeating: "a", count: 950))
        #expect(throws: FilterListError.itemTooLong(description: "LONG", wireLength: 962)) {
            try FilterListPackage.split([long], commitCount: 1)
        }
        let many = Array(repeating: full, count: 65_536)
        #expect(throws: FilterListError.tooManyPackages(65_536)) {
            try FilterListPackage.split(many, commitCount: 1)
        }
        #expect(try FilterListPackage.split(Array(many.dropLast()), commitCount: 1).last?.packetID == 65_535)
    }
}

@Suite struct FilterListAssemblerTests {
    private func item(_ name: String) -> FilterItem { FilterItem(.fqdn, description: name, value: "\(name).example") }

    private func package(_ commit: UInt32, _ id: UInt16, of sum: UInt16, _ names: String...) -> FilterListPackage {
        FilterListPackage(commitCount: commit, packetSum: sum, packetID: id, items: names.map(item))
    }

    @Test func oneReplacementInAnyOrder() {
        for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] as [[UInt16]] {
            var assembler = FilterListAssembler(current: FilterList(commitCount: 4, items: [item("old")]))
            for (step, id) in order.enumerated() {
                let outcome = assembler.receive(package(5, id, of: 3, "p\(id)"))
                if step < 2 {
                    #expect(outcome == .collected(missing: 2 - step))
                    #expect(assembler.current?.commitCount == 4)
                } else {
                    let list = FilterList(commitCount: 5, items: ["p1", "p2", "p3"].map(item))
                    #expect(outcome == .replaced(list))
                    #expect(assembler.current == list)
                    #expect(assembler.pendingCommitCount == nil)
                }
            }
        }
    }

    @Test func duplicatesAreAcknowledgedAgain() {
        var assembler = FilterListAssembler()
        let first = package(1, 1, of: 2, "a")
        #expect(assembler.receive(first) == .collected(missing: 1))
        #expect(assembler.receive(first) == .duplicate)
        #expect(assembler.receive(package(1, 1, of: 2, "b")) == .rejected(.packageChanged))
        #expect(
            assembler.receive(package(1, 2, of: 2, "b"))
                == .replaced(assembler.current ?? .init(commitCount: 0, items: [])))
        #expect(assembler.current?.items == ["a", "b"].map(item))
        #expect(assembler.receive(first) == .duplicate)
        #expect(assembler.acknowledgement(of: first, outcome: .duplicate).code == .acknowledged)
    }

    @Test func aNewerListDropsThePartsOfAnOlder() {
        var assembler = FilterListAssembler()
        #expect(assembler.receive(package(1, 1, of: 2, "a")) == .collected(missing: 1))
        #expect(assembler.receive(package(2, 2, of: 2, "y")) == .collected(missing: 1))
        #expect(assembler.receive(package(1, 2, of: 2, "b")) == .rejected(.staleCommitCount))
        #expect(assembler.pendingCommitCount == 2)
        #expect(
            assembler.receive(package(2, 1, of: 2, "x"))
                == .replaced(.init(commitCount: 2, items: ["x", "y"].map(item))))
        #expect(assembler.receive(package(1, 1, of: 1, "a")) == .rejected(.staleCommitCount))
        #expect(assembler.current?.commitCount == 2)
    }

    @Test func commitCountWraps() {
        var assembler = FilterListAssembler(current: FilterList(commitCount: .max, items: []))
        #expect(assembler.receive(package(0, 1, of: 1, "a")) == .replaced(.init(commitCount: 0, items: [item("a")])))
        #expect(assembler.receive(package(.max, 1, of: 1, "b")) == .rejected(.staleCommitCount))
        #expect(assembler.receive(package(0x8000_0000, 1, of: 1)) == .rejected(.staleCommitCount))
    }

    @Test func inconsistentNumberingChangesNothing() {
        var assembler = FilterListAssembler()
        #expect(assembler.receive(package(1, 0, of: 1)) == .rejected(.packetNumbering))
        #expect(assembler.receive(package(1, 1, of: 0)) == .rejected(.packetNumbering))
        #expect(assembler.receive(package(1, 3, of: 2)) == .rejected(.packetNumbering))
        #expect(assembler.receive(package(1, 1, of: 2, "a")) == .collected(missing: 1))
        let before = assembler
        #expect(assembler.receive(package(1, 2, of: 3, "b")) == .rejected(.packetSumChanged))
        #expect(assembler == before)
        var malformed = package(1, 2, of: 2, "b")
        malformed.malformedRemainder = [0]
        #expect(assembler.receive(malformed) == .rejected(.malformedItem))
        #expect(assembler == before)
    }

    @Test func memoryIsBounded() {
        var assembler = FilterListAssembler(limits: .init(packages: 3, items: 4, bytes: 150))
        #expect(assembler.receive(package(1, 1, of: 4)) == .rejected(.tooManyPackages))
        #expect(assembler.receive(package(1, 1, of: 3, "a", "b", "c")) == .collected(missing: 2))
        #expect(assembler.receive(package(1, 2, of: 3, "d", "e")) == .rejected(.tooManyItems))
        let long = FilterItem(.fqdn, description: String(repeating: "x", count: 200), value: "")
        let big = FilterListPackage(commitCount: 1, packetSum: 3, packetID: 2, items: [long])
        #expect(assembler.receive(big) == .rejected(.tooManyBytes))
        #expect(assembler.pendingCommitCount == 1)
    }

    @Test func theAnswerDependsOnWhetherThereIsAList() {
        var assembler = FilterListAssembler()
        let bad = package(3, 0, of: 1)
        #expect(
            assembler.acknowledgement(of: bad, outcome: assembler.receive(bad))
                == .init(commitCount: 3, code: .noListYet))
        let good = package(3, 1, of: 1, "a")
        #expect(
            assembler.acknowledgement(of: good, outcome: assembler.receive(good))
                == .init(commitCount: 3, code: .acknowledged))
        #expect(assembler.acknowledgement(of: bad, outcome: assembler.receive(bad)).code == .oldListKept)
    }

    @Test func splitListsAreAssembledFromTheWire() throws {
        let items = (0..<200).map { item("host-\($0)") }
        var assembler = FilterListAssembler()
        for package in try FilterListPackage.split(items, commitCount: 1).shuffled() {
            let message = ControlMessage(
                type: .notify, leg: .primary, key: 1, attributes: [.filterListPackage(package)])
            let bytes = message.serialized(dialect: .deployed)
            let received = try ControlMessage(parsing: bytes, dialect: .deployed)
            for package in received.filterListPackages { _ = assembler.receive(package) }
        }
        #expect(assembler.current == FilterList(commitCount: 1, items: items))
    }
}
