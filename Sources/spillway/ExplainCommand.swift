import ArgumentParser
import Controller
import EventLog

/// `spillway explain`: what becomes of a flow, as the kernel has it now.
struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Says which way a flow takes, and which rule, route and leg decide it, as the kernel has them now.",
        discussion: """
            For example: spillway explain udp 192.168.1.20:5060 203.0.113.9:5060
            With IPv6: spillway explain tcp [2001:db8::20]:50000 [2001:db8:5::9]:443
            The JSON's members are in docs/explain.md.
            """)

    @Argument(help: "udp, tcp, icmp …, or a number.")
    var `protocol`: String

    @Argument(help: "Address, with or without a port; an IPv6 address with a port in brackets.")
    var source: String

    @Argument(help: "The same for the other end.")
    var destination: String

    @Option(help: "DSCP, 0 to 63; 0 unless said.")
    var dscp: String?

    @Option(help: "The source's Ethernet address; the kernel's neighbours are asked for it unless said.")
    var mac: String?

    @Option(help: "The interface that it comes by; the one that leads to its source unless said.")
    var interface: String?

    @OptionGroup var daemon: DaemonOption

    private var flow: Flow {
        get throws {
            do throws(Flow.Problem) {
                var flow = try Flow(`protocol`, from: source, to: destination)
                try flow.add(dscp: dscp, mac: mac, interface: interface)
                return flow
            } catch {
                throw ValidationError(error.description)
            }
        }
    }

    func validate() throws { _ = try flow }

    func run() throws {
        let answer = try daemon.ask(.explain(flow))
        guard let value = JSONValue(answer), value["way"] != nil else {
            StandardError.write(JSONValue(answer)?["reason"]?.string ?? answer)
            throw ExitCode.failure
        }
        print(daemon.json ? answer : Self.text(value))
    }

    /// For people: the outcome, then what led to it in the kernel's order.
    private static func text(_ value: JSONValue) -> String {
        let steps = value["steps"]?.elements ?? []
        let lines = steps.map { ("  " + ($0["stage"]?.string ?? "").padded(12) + ($0["text"]?.string ?? "")) }
        return ([value["summary"]?.string ?? ""] + lines).map(\.printable).joined(separator: "\n")
    }
}
