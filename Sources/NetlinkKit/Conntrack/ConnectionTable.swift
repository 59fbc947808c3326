public import Addresses
import CLinux

/// `CTA_*`
enum ConnectionSpace {
    static let mark = Attribute<ConnectionSpace, BigEndian<UInt32>>(CTA_MARK, "CTA_MARK")
    static let markMask = Attribute<ConnectionSpace, BigEndian<UInt32>>(CTA_MARK_MASK, "CTA_MARK_MASK")
}

/// The connections that the kernel tracks; requests go to a socket of netfilter.
public enum ConnectionTable {
    /// Forgets the connections of a family whose mark, under the mask, is this one. Their next packets begin new ones.
    public static func forget(_ family: IPFamily, mark: UInt32, mask: UInt32) -> Request {
        var header = nfgenmsg()
        header.nfgen_family = family.number
        // With version 0 the kernel takes no notice of the family.
        header.version = 1
        return Request(
            Operation("forget", "connections with mark \(mark) of \(mask)"),
            type: UInt16(NFNL_SUBSYS_CTNETLINK) << 8 | UInt16(IPCTNL_MSG_CT_DELETE.rawValue), flags: [], header: header,
            ConnectionSpace.self
        ) {
            $0.put(ConnectionSpace.mark, mark)
            $0.put(ConnectionSpace.markMask, mask)
        }
    }
}
