import CLinux
import NetlinkKit

/// Reads what the elements of a map or set have counted, a piece at a time, and nothing else of them: at a few
/// microseconds for each it is for sets of thousands that are read over and over. An element that comes or goes while
/// the list is read may be missing from it. Not thread-safe.
public final class CounterListing {
    private let listing: Listing

    /// - Parameter transport: a socket of the netfilter family, on which nothing else is asked
    public init(_ transport: any NetlinkTransport) { listing = Listing(transport) }

    /// Whether there is more to read.
    public var isReading: Bool { listing.isReading }

    /// Asks for a set's elements; what is left of one before is left out.
    public func begin(_ set: NamedSet) throws(KernelError) {
        try listing.begin(NFTablesClient.listing(of: set))
    }

    /// Reads the next piece.
    /// - Parameter take: gets the bytes of an element's key, those of the value a map has for it (empty in a set),
    ///   both as in packets, and its counter
    /// - Returns: whether there is more
    public func next(
        _ take: (_ key: RawSpan, _ value: RawSpan, _ counter: Counter) -> Void
    ) throws(KernelError) -> Bool {
        try listing.next { message in
            Self.each(message.payload(after: MemoryLayout<NetfilterHeader>.size), take)
        }
    }

    private static func each(_ message: RawSpan, _ take: (RawSpan, RawSpan, Counter) -> Void) {
        guard let range = AttributeList(message).find(UInt16(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue)) else { return }
        let bytes = message.extracting(range)
        let elements = AttributeList(bytes)
        var offset = 0
        while let (_, element) = elements.next(&offset) { one(bytes.extracting(element), take) }
    }

    private static func one(_ bytes: RawSpan, _ take: (RawSpan, RawSpan, Counter) -> Void) {
        let attributes = AttributeList(bytes)
        var key = 0..<0, value = 0..<0, expression = 0..<0
        var offset = 0
        while let (type, payload) = attributes.next(&offset) {
            switch UInt32(type) {
            case NFTA_SET_ELEM_KEY.rawValue: key = payload
            case NFTA_SET_ELEM_DATA.rawValue: value = payload
            case NFTA_SET_ELEM_EXPR.rawValue: expression = payload
            default: break
            }
        }
        guard let counter = Counter(expression: bytes.extracting(expression)) else { return }
        take(data(bytes.extracting(key)), data(bytes.extracting(value)), counter)
    }

    /// What a key or a value is.
    @_lifetime(copy bytes)
    private static func data(_ bytes: RawSpan) -> RawSpan {
        bytes.extracting(AttributeList(bytes).find(UInt16(NFTA_DATA_VALUE.rawValue)) ?? 0..<0)
    }
}
