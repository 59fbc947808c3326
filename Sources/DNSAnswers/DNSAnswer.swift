import Addresses
import ProtocolSupport

/// What an answer says about addresses: the name that was asked for, the names it is an alias of, and the addresses of
/// any of these (RFC 1035 §4, RFC 3596 §2). Everything else in the message is passed over.
package struct DNSAnswer: Hashable, Sendable {
    package struct Address: Hashable, Sendable {
        package var address: IPAddress
        /// Seconds: the least TTL of the address and of the aliases that lead to it.
        package var timeToLive: UInt32
        /// How many of ``names`` lead to it: the last of those has the address.
        package var depth: Int
    }

    /// Why a message says nothing about addresses. The names are stable: they are names of counters.
    package enum Failure: String, Error, CaseIterable {
        /// A question.
        case question
        /// No standard query, or not of the Internet's class.
        case notUsed = "not_used"
        /// The server says that something failed, or that there is no such name.
        case negative
        case malformed
        /// Nothing in it is an address.
        case noAddress = "no_address"
    }

    /// The name that was asked for comes first, then its aliases in order. At most ``nameLimit``.
    package private(set) var names: [DomainName]
    /// At most ``addressLimit``.
    package private(set) var addresses: [Address] = []
    /// There is more, which the client will ask for again over TCP (the TC bit, RFC 1035 §4.1.1), or the message is
    /// longer than the bytes that are there.
    package private(set) var isTruncated: Bool

    package static let nameLimit = 17
    package static let addressLimit = 64
    /// Records of an answer that are looked at.
    static let recordLimit = 256

    /// What somebody else has read.
    package init(_ name: DomainName, _ addresses: [(IPAddress, timeToLive: UInt32)]) {
        names = [name]
        isTruncated = false
        self.addresses = addresses.map { Address(address: $0, timeToLive: $1, depth: 1) }
    }

    /// Reads a message, which may end early: what is there whole is taken.
    package init(parsing message: RawSpan) throws(Failure) {
        var reader = MessageReader(message)
        guard let header = reader.header() else { throw .malformed }
        guard header.isAnswer else { throw .question }
        guard header.opcode == 0, header.questions == 1 else { throw .notUsed }
        guard header.code == 0 else { throw .negative }
        guard let question = reader.name(), reader.uint16() != nil, let kind = reader.uint16() else { throw .malformed }
        guard kind == MessageReader.internet else { throw .notUsed }
        isTruncated = header.isTruncated
        names = [question]

        var aliases: [DomainName: (target: DomainName, timeToLive: UInt32)] = [:]
        var found: [(owner: DomainName, address: IPAddress, timeToLive: UInt32)] = []
        for number in 0..<Int(header.answers) {
            guard number < Self.recordLimit, let record = reader.record() else {
                isTruncated = true
                break
            }
            switch record.data {
            case .address(let address): found.append((record.owner, address, record.timeToLive))
            case .alias(let target):
                if aliases[record.owner] == nil { aliases[record.owner] = (target, record.timeToLive) }
            case nil: break
            }
        }
        guard !found.isEmpty else { throw .noAddress }
        follow(aliases, found)
        guard !addresses.isEmpty else { throw .noAddress }
    }

    /// Records come in any order, aliases may lead in a circle, and what belongs to other names is not believed.
    private mutating func follow(
        _ aliases: [DomainName: (target: DomainName, timeToLive: UInt32)],
        _ found: [(owner: DomainName, address: IPAddress, timeToLive: UInt32)]
    ) {
        var reached: [DomainName: (depth: Int, timeToLive: UInt32)] = [names[0]: (1, .max)]
        var least = UInt32.max
        while names.count < Self.nameLimit, let next = aliases[names[names.count - 1]], reached[next.target] == nil {
            least = min(least, next.timeToLive)
            names.append(next.target)
            reached[next.target] = (names.count, least)
        }
        for entry in found where addresses.count < Self.addressLimit {
            guard let place = reached[entry.owner] else { continue }
            addresses.append(
                Address(
                    address: entry.address, timeToLive: min(entry.timeToLive, place.timeToLive), depth: place.depth))
        }
    }
}
