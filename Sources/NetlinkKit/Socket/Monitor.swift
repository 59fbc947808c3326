import CLinux
import Glibc

/// A change in the kernel that nobody on this socket asked for.
public enum KernelEvent: Hashable, Sendable {
    case newLink(Link)
    case deletedLink(Link)
    case newAddress(ObservedAddress)
    case deletedAddress(ObservedAddress)
    case newRoute(Route)
    case deletedRoute(Route)
    case newRule(Rule)
    case deletedRule(Rule)
    case newNeighbour(Neighbour)
    case deletedNeighbour(Neighbour)
    case newQdisc(ObservedQdisc)
    case deletedQdisc(ObservedQdisc)
    case newFilter(ObservedFilter)
    case deletedFilter(ObservedFilter)
    /// A filter came or went here, and the kernel does not say which: read the filters again. Linux 6.1 announces a new
    /// `matchall` and the removal of all filters of a priority in this way.
    case filtersChanged(link: UInt32, parent: TrafficHandle)
    case newActions([ObservedAction])
    case deletedActions([ObservedAction])
    /// IPv4 settings of a device (`/proc/sys/net/ipv4/conf`); 0: of no device in particular.
    case ipv4Configuration(link: UInt32)
    /// Events were lost: everything must be read again.
    case overrun
}

/// Watches the kernel's objects change. For an event loop: wait until ``descriptor`` is readable, then ``receive()``.
public final class Monitor {
    /// What to hear of (`RTNLGRP_*`).
    public enum Group: UInt32, Sendable, CaseIterable {
        case link = 1
        case neighbour = 3
        /// Queueing disciplines, filters and actions.
        case traffic = 4
        case ipv4Address = 5
        case ipv4Route = 7
        case ipv4Rule = 8
        case ipv6Address = 9
        case ipv6Route = 11
        case ipv6Rule = 19
        case ipv4Configuration = 24
    }

    private let transport: any NetlinkTransport
    /// For epoll.
    public let descriptor: Int32
    private let buffer: UnsafeMutableRawBufferPointer
    /// How often events were lost.
    public private(set) var overruns: UInt64 = 0
    /// The socket whose requests are known: what they bring about is left out, where the kernel says that it is theirs.
    private let ignored: UInt32?

    /// - Parameter port: of the socket whose requests are known, see ``NetlinkSocket/port``
    public convenience init(_ groups: [Group], ignoring port: UInt32? = nil) throws(KernelError) {
        let socket = try NetlinkSocket(.route)
        for group in groups { try socket.join(group.rawValue) }
        self.init(socket, descriptor: socket.descriptor, ignoring: port)
    }

    init(_ transport: any NetlinkTransport, descriptor: Int32, ignoring port: UInt32? = nil) {
        self.transport = transport
        self.descriptor = descriptor
        ignored = port == 0 ? nil : port
        buffer = .allocate(byteCount: 64 << 10, alignment: 16)
    }

    deinit { buffer.deallocate() }

    /// The events that have arrived, in order, without waiting; at most about `limit`.
    public func receive(limit: Int = 4096) throws(KernelError) -> [KernelEvent] {
        var events: [KernelEvent] = []
        while events.count < limit {
            let datagram: Datagram
            do throws(Errno) {
                datagram = try transport.receive(into: buffer, timeout: 0)
            } catch where error == .wouldBlock {
                return events
            } catch where error == .noBuffers {
                overrun(&events)
                continue
            } catch {
                throw .socket(Operation("watch", "kernel objects"), error)
            }
            if datagram.sender != 0 { continue }
            if datagram.truncated { overrun(&events) }
            let span = UnsafeRawBufferPointer(rebasing: buffer.prefix(datagram.count)).bytes
            var offset = 0
            while let message = Message(span, at: offset) {
                offset += (message.bytes.byteCount + 3) & ~3
                if ignored != nil, message.portID == ignored { continue }
                if let event = KernelEvent(message) { events.append(event) }
            }
        }
        return events
    }

    private func overrun(_ events: inout [KernelEvent]) {
        overruns &+= 1
        if events.last != .overrun { events.append(.overrun) }
    }
}

extension KernelEvent {
    /// nil for messages that this module has no model for.
    init?(_ message: borrowing Message) {
        switch Int(message.type) {
        case RTM_NEWLINK: if let link = Link(message) { self = .newLink(link) } else { return nil }
        case RTM_DELLINK: if let link = Link(message) { self = .deletedLink(link) } else { return nil }
        case RTM_NEWADDR: if let address = ObservedAddress(message) { self = .newAddress(address) } else { return nil }
        case RTM_DELADDR:
            if let address = ObservedAddress(message) { self = .deletedAddress(address) } else { return nil }
        case RTM_NEWROUTE: if let route = Route(message) { self = .newRoute(route) } else { return nil }
        case RTM_DELROUTE: if let route = Route(message) { self = .deletedRoute(route) } else { return nil }
        case RTM_NEWRULE: if let rule = Rule(message) { self = .newRule(rule) } else { return nil }
        case RTM_DELRULE: if let rule = Rule(message) { self = .deletedRule(rule) } else { return nil }
        case RTM_NEWNEIGH: if let peer = Neighbour(message) { self = .newNeighbour(peer) } else { return nil }
        case RTM_DELNEIGH: if let peer = Neighbour(message) { self = .deletedNeighbour(peer) } else { return nil }
        case RTM_NEWQDISC: if let qdisc = ObservedQdisc(message) { self = .newQdisc(qdisc) } else { return nil }
        case RTM_DELQDISC: if let qdisc = ObservedQdisc(message) { self = .deletedQdisc(qdisc) } else { return nil }
        case RTM_NEWTFILTER, RTM_DELTFILTER:
            if let filter = ObservedFilter(message) {
                self = Int(message.type) == RTM_NEWTFILTER ? .newFilter(filter) : .deletedFilter(filter)
            } else if let header = message.header(tcmsg.self) {
                self = .filtersChanged(
                    link: UInt32(bitPattern: header.tcm_ifindex), parent: TrafficHandle(rawValue: header.tcm_parent))
            } else {
                return nil
            }
        case RTM_NEWNETCONF, RTM_DELNETCONF:
            guard message.header(UInt8.self) == UInt8(AF_INET) else { return nil }
            let attributes = message.attributes(after: MemoryLayout<netconfmsg>.size, of: NetworkConfigurationSpace.self)
            // All, and what new devices begin with, have negative numbers.
            let link = attributes.get(NetworkConfigurationSpace.link) ?? 0
            self = .ipv4Configuration(link: link > UInt32(Int32.max) ? 0 : link)
        case RTM_NEWACTION: self = .newActions(ObservedAction.read(message))
        case RTM_DELACTION: self = .deletedActions(ObservedAction.read(message))
        default: return nil
        }
    }
}

/// `NETCONFA_*`
private enum NetworkConfigurationSpace {
    static let link = Attribute<NetworkConfigurationSpace, UInt32>(NETCONFA_IFINDEX, "NETCONFA_IFINDEX")
}
