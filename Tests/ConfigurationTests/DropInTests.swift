import GREBonding
import Testing

@testable import Configuration

@Suite struct DropInTests {
    @Test func laterFilesWin() throws {
        let machine = Machine(files: [
            "a.toml": gateway(top: "lan = \"lan0\"", more: "[tunnel]\nmtu = 1400\nname = \"b0\""),
            "a.toml.d/20-b.toml": "lan = [\"lan2\"]\n[tunnel]\nmtu = 1300",
            "a.toml.d/10-a.toml": "lan = [\"lan1\", \"lan3\"]\ntunnel.mtu = 1200\nlog.level = \"debug\"",
            "a.toml.d/.hidden.toml": "bad",
            "a.toml.d/30.toml.bak": "bad",
        ])
        guard case .homeGateway(let c) = try machine.load() else { throw WrongRole() }
        #expect(c.lan.map(\.description) == ["lan2"])
        #expect(c.tunnel.mtu == .bytes(1300) && c.tunnel.name.description == "b0" && c.log.level == .debug)
    }

    @Test func arraysOfTablesGrow() throws {
        let c = try aggregationPoint([
            "a.toml": "role='haap'\naddress='192.0.2.1'\n[[subscriber]]\ncin='a'",
            "a.toml.d/1.toml": "[[subscriber]]\ncin='b'",
        ])
        #expect(c.subscribers.map(\.cin.text) == ["a", "b"])
    }

    @Test func problemsNameTheRightFile() {
        let machine = Machine(files: [
            "a.toml": gateway(), "a.toml.d/1.toml": "\n\ntunnel.mtu = 1\nlan = \"dsl0\"", "a.toml.d/2.toml": "\nx = 1",
        ])
        #expect(machine.problems() == [
            "a.toml.d/1.toml:3: tunnel.mtu: 1 bytes is out of range: 576…9000 bytes, or \"auto\"",
            "a.toml.d/1.toml:4: lan: interface \"dsl0\" is already dsl.interface",
            "a.toml.d/2.toml:2: x: unknown key",
        ])
    }

    @Test func everyFileWithAWrongSyntaxIsNamed() {
        let machine = Machine(files: ["a.toml": "=", "a.toml.d/1.toml": "a = 1", "a.toml.d/2.toml": "\n\n="])
        let found = machine.problems()
        #expect(found.count == 2)
        #expect(found.first?.hasPrefix("a.toml:1: not TOML: ") == true)
        #expect(found.last?.hasPrefix("a.toml.d/2.toml:3: not TOML: ") == true)
    }

    @Test func missingFile() {
        #expect(Machine(files: [:]).problems() == ["a.toml: no such file"])
    }
}
