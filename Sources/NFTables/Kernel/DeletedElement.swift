import CLinux
import NetlinkKit

/// An element that a transaction has deleted, with what it had counted at the end.
public struct DeletedElement: Hashable, Sendable {
    public var table: TableName
    public var set: String
    public var element: Element

    /// Those of these sets among the messages that the kernel sent.
    static func list(_ messages: [[UInt8]], of sets: [NamedSet]) -> [DeletedElement] {
        let type = UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(truncatingIfNeeded: NFT_MSG_DELSETELEM.rawValue)
        return messages.flatMap { bytes -> [DeletedElement] in
            guard let message = Message(bytes.span.bytes, at: 0), message.type == type, let family = message.family
            else { return [] }
            let attributes = message.attributes(after: MemoryLayout<NetfilterHeader>.size, of: ElementListSpace.self)
            guard let table = attributes.get(ElementListSpace.table), let name = attributes.get(ElementListSpace.set),
                let set = sets.first(where: { $0.table == TableName(family, table) && $0.name == name })
            else { return [] }
            return ReceivedElement.list(message, of: set).map {
                DeletedElement(table: set.table, set: name, element: $0.element)
            }
        }
    }
}
