import CLinux
import Glibc
import NetlinkKit

/// Hears of every change to the rule set of one network namespace (`NFNLGRP_NFTABLES`). Not thread-safe.
///
/// Elements that rules add from the packet path, and elements whose time runs out, are not announced.
public final class NFTablesMonitor {
    /// One committed transaction, or a gap in what was heard.
    public enum Event: Hashable, Sendable {
        /// - tables: those in which something was added or deleted
        /// - by: the new generation, and the process that committed it
        /// - port: the netlink socket it came through, to compare with ``NFTablesClient/port``
        case changed(tables: Set<TableName>, by: Generation, port: UInt32)
        /// The receive buffer was full, or something did not fit: anything may have changed.
        case lost
    }

    private let transport: any NetlinkTransport
    private let buffer: UnsafeMutableRawBufferPointer
    /// What the transaction that is being announced has touched so far.
    private var tables: Set<TableName> = []

    /// - Parameter transport: a socket that has joined the group
    public init(_ transport: any NetlinkTransport) {
        self.transport = transport
        buffer = .allocate(byteCount: 256 << 10, alignment: 16)
    }

    /// In the network namespace of the calling thread. The descriptor, for epoll, comes with it.
    public static func open() throws(KernelError) -> (monitor: NFTablesMonitor, descriptor: Int32) {
        let socket = try NetlinkSocket(.netfilter)
        try socket.join(UInt32(NFNLGRP_NFTABLES.rawValue))
        return (NFTablesMonitor(socket), socket.descriptor)
    }

    deinit { buffer.deallocate() }

    /// What has been announced since the last call.
    /// - Parameter timeout: milliseconds to wait for the first announcement; 0 does not wait
    public func events(timeout: Int32 = 0) throws(KernelError) -> [Event] {
        var events: [Event] = []
        var timeout = timeout
        while true {
            do throws(Errno) {
                let datagram = try transport.receive(into: buffer, timeout: timeout)
                timeout = 0
                guard datagram.sender == 0 else { continue }
                if datagram.truncated { events.append(.lost) }
                take(datagram.count, &events)
            } catch  where error == .wouldBlock {
                return events
            } catch  where error == .noBuffers {
                tables = []
                events.append(.lost)
                timeout = 0
            } catch {
                throw .socket(Operation("watch", "nftables"), error)
            }
        }
    }

    private func take(_ count: Int, _ events: inout [Event]) {
        let span = UnsafeRawBufferPointer(rebasing: buffer.prefix(count)).bytes
        var offset = 0
        while let message = Message(span, at: offset) {
            offset += (message.bytes.byteCount + 3) & ~3
            guard message.type >> 8 == UInt16(NFNL_SUBSYS_NFTABLES) else { continue }
            if UInt32(message.type & 0xFF) == NFT_MSG_NEWGEN.rawValue {
                guard let generation = Generation(message) else { continue }
                events.append(.changed(tables: tables, by: generation, port: message.portID))
                tables = []
            } else if let family = message.family {
                // The table's name is the first attribute of all these messages, whatever they are about.
                let attributes = message.attributes(after: MemoryLayout<NetfilterHeader>.size, of: TableSpace.self)
                if let name = attributes.get(TableSpace.name) { tables.insert(TableName(family, name)) }
            }
        }
    }
}
