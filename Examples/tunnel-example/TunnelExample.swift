import Addresses
import Glibc
import NetlinkKit

/// Makes a GRE tunnel with a key, and shows what it carries and what becomes of it until SIGINT (Control-C) or SIGTERM.
/// Then the tunnel goes, and its address and routes go with it. Needs CAP_NET_ADMIN and the module `ip_gre`.
///
///     tunnel-example 192.0.2.1 198.51.100.2 4711      # this end's outer address, the other end's, the key
@main
struct TunnelExample {
    static let name = "example0"

    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count == 4, let local = IPv4Address(arguments[1]), let remote = IPv4Address(arguments[2]),
            let key = UInt32(arguments[3]), let inner = IPPrefix("10.99.0.1/30"), let beyond = IPPrefix("198.18.0.0/15")
        else {
            print("usage: tunnel-example LOCAL REMOTE KEY")
            exit(64)
        }
        // From here on the signals wait until `sigtimedwait` asks for them: no end comes half-way.
        var signals = sigset_t()
        sigemptyset(&signals)
        for signal in [SIGINT, SIGTERM] { sigaddset(&signals, signal) }
        sigprocmask(SIG_BLOCK, &signals, nil)
        let options = GREOptions(key: key, sequence: true)
        do throws(KernelError) {
            try run(GRETunnel(local: local, remote: remote, input: options, output: options), inner, beyond, &signals)
        } catch {
            // For example `create link "example0": EEXIST`.
            print("tunnel-example: \(error)")
            exit(1)
        }
    }

    static func run(
        _ tunnel: GRETunnel, _ inner: IPPrefix, _ beyond: IPPrefix, _ signals: inout sigset_t
    ) throws(KernelError) {
        let kernel = Exchange(try NetlinkSocket(.route))
        // Before anything is made or read, so that no change is missed. It has a socket of its own.
        let monitor = try Monitor([.link, .ipv4Route])
        try kernel.performAll(Link.create(name, LinkSettings(.gre(tunnel), mtu: 1400, isUp: true)))
        defer { _ = try? kernel.perform(Link.delete(.name(name))) }
        guard let link = try kernel.link(.name(name)) else { return }
        try kernel.perform(InterfaceAddress(link: link.index, address: inner).add())
        try kernel.perform(Route(to: beyond, nextHops: [NextHop(link: link.index)]).add())

        print("\(name) is link \(link.index), MTU \(link.mtu)")
        for found in try kernel.addresses(.v4, link: link.index) { print("address \(found.address.address)") }
        for route in try kernel.routes(.v4) where route.leads(to: link.index) { print("route \(route)") }
        var before: LinkStatistics?
        // A program with an event loop would wait for `monitor.descriptor` instead of looking once a second.
        var second = timespec(tv_sec: 1, tv_nsec: 0)
        repeat {
            for event in try monitor.receive() {
                switch event {
                case .newLink(let now) where now.index == link.index: print("now: up \(now.isUp), MTU \(now.mtu)")
                case .deletedLink(let gone) where gone.index == link.index: return print("somebody deleted \(name)")
                case .newRoute(let route) where route.leads(to: link.index): print("new route \(route)")
                case .deletedRoute(let route) where route.leads(to: link.index): print("route gone: \(route)")
                case .overrun: print("events were lost: what was read before may no longer hold")
                default: break
                }
            }
            if let now = try kernel.linkStatistics(.index(link.index)), now != before {
                print("sent \(now.transmittedPackets) packets, received \(now.receivedPackets)")
                before = now
            }
            fflush(nil)
        } while sigtimedwait(&signals, nil, &second) < 0
    }
}

extension Route {
    func leads(to link: UInt32) -> Bool { nextHops.contains { $0.link == link } }
}
