import Addresses
import ArgumentParser
import Formatting
import GREBonding
import Glibc

/// Exit codes: 0 all gateways are up at the end and lost nothing, 1 not so, 2 the command line is wrong.
@main
struct Blast: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "spillway-blast",
        abstract: "Plays thousands of home gateways against one aggregation point, to see what it takes.",
        discussion: """
            Sessions and DHCP are the product's own; there is no data plane behind them, so that one processor is enough. \
            The addresses of the legs have to be this machine's (ip route add local PREFIX dev lo), the aggregation \
            point has to let the names in, and to reach the addresses. Only against machines of your own.
            """)

    @Argument(help: "The aggregation point's IPv4 address.")
    var aggregator: String
    @Option(help: "How many gateways.")
    var gateways = 1000
    @Option(help: "Addresses for the LTE legs: at most one bond of an address is set up at a time.")
    var lte: String
    @Option(help: "Addresses for the DSL legs; without it there are none.")
    var dsl: String?
    @Option(help: "Client identification name; % stands for the gateway's number.")
    var name = "gateway-%"
    @Option(help: "Set-ups begun a second.")
    var rate = 100.0
    @Option(help: "Bonds that are ended and begun anew a second.")
    var flap = 0.0
    @Option(help: "Seconds, all set-ups included; SIGINT and SIGTERM end it sooner.")
    var seconds = 60.0
    @Option(help: "Fetch an address by DHCP and send echo requests through the bond to this address.")
    var echo: String?
    @Option(help: "Echo requests a second of each gateway.")
    var echoRate = 1.0
    @Option(help: "Bytes of their packets.")
    var echoLength = 100
    @Option(help: "One packet of so many takes LTE; 0: none while there is DSL.")
    var lteTurn = 3
    @Flag(help: "Speak the deployed dialect.")
    var deployed = false
    @Flag(help: "The result as JSON, the last line of the output.")
    var json = false

    /// ArgumentParser's own exit code for a wrong command line is 64.
    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
            tell(fullMessage(for: error))
            exit(withError: ExitCode(2))
        }
    }

    func run() throws {
        let load = try load()
        let field: GatewayField
        do throws(OuterSocket.Failure) { field = try GatewayField(load) } catch {
            Self.tell("\(error)")
            throw ExitCode.failure
        }
        let seconds = field.run { over in
            let up = field.gateways.count { $0.isUp }
            Self.tell("\(Int(over)) s: \(up) up, \(field.tally.setUps) set up, \(field.tally.lostBonds) lost")
        }
        let result = field.tally.json(field.gateways, seconds: seconds, drops: field.drops)
        let isWhole = field.gateways.allSatisfy { $0.isUp && $0.lost == 0 } && field.tally.lostBonds == 0
        field.giveBack()
        print(json ? "\(result)" : Self.text(result))
        // Bonds that are being set up anew are not up, and not lost.
        if !isWhole, flap == 0 || field.tally.lostBonds > 0 { throw ExitCode.failure }
    }

    private static func tell(_ text: String) {
        let line = Array((text + "\n").utf8)
        _ = write(2, line, line.count)
    }

    private static func text(_ result: JSONObject) -> String {
        String(result.description.dropFirst().dropLast()).replacing(",\"", with: "\n\"")
    }

    private func load() throws -> GatewayField.Load {
        let limits: [(String, Double, ClosedRange<Double>)] = [
            ("--gateways", Double(gateways), 1...1_000_000), ("--rate", rate, 0.01...100_000), ("--flap", flap, 0...100_000),
            ("--seconds", seconds, 1...1_000_000), ("--echo-rate", echoRate, 0.001...10_000),
            ("--echo-length", Double(echoLength), 28...9000), ("--lte-turn", Double(lteTurn), 0...1_000_000),
        ]
        for (option, value, range) in limits where !range.contains(value) {
            throw ValidationError("\(option) \(value): not within \(range.lowerBound) and \(range.upperBound)")
        }
        guard ClientIdentificationName(name.replacing("%", with: String(gateways))) != nil else {
            throw ValidationError("--name: longer than \(ClientIdentificationName.length) bytes")
        }
        var addresses: [LegID: [IPv4Address]] = [.secondary: try Self.addresses("--lte", lte)]
        if let dsl { addresses[.primary] = try Self.addresses("--dsl", dsl) }
        return GatewayField.Load(
            gateways: gateways, aggregator: try Self.address("AGGREGATOR", aggregator), addresses: addresses, name: name,
            dialect: deployed ? .deployed : .rfc8157, rate: rate, flaps: flap,
            echo: try echo.map { try Self.address("--echo", $0) }, echoRate: echoRate, echoLength: echoLength,
            lteTurn: UInt32(lteTurn), seconds: seconds)
    }

    private static func address(_ option: String, _ text: String) throws -> IPv4Address {
        guard let address = IPv4Address(text) else { throw ValidationError("\(option) \(text): no IPv4 address") }
        return address
    }

    /// All of a prefix but the first and the last, or one.
    private static func addresses(_ option: String, _ text: String) throws -> [IPv4Address] {
        if let address = IPv4Address(text) { return [address] }
        guard let prefix = IPPrefix(text), case .v4(let first) = prefix.address, (16...30).contains(prefix.length) else {
            throw ValidationError("\(option) \(text): neither an IPv4 address nor a prefix of 16 to 30 bits")
        }
        let count = UInt32(1) << UInt32(32 - prefix.length)
        return (1..<count - 1).map { IPv4Address(rawValue: first.rawValue + $0) }
    }
}
