import CPcap

/// Reads the packets of a capture file: pcap or pcapng, as libpcap reads them.
struct CaptureReader: ~Copyable {
    /// Why there is nothing more to read, in libpcap's words.
    struct Failure: Error {
        let text: String
    }

    struct Frame {
        /// Since 1970-01-01T00:00Z; a damaged file may hold any numbers.
        let seconds: Int64
        let nanoseconds: Int64
        /// On the wire, in bytes.
        let length: Int
        /// What was captured, from the link-layer header on. libpcap bounds it to 256 KiB.
        let bytes: [UInt8]
    }

    private let handle: OpaquePointer

    /// Opens a file; "-" is standard input.
    init(path: String) throws(Failure) {
        if let reason = cpcap_load() { throw Failure(text: String(cString: reason)) }
        let opened: Result<OpaquePointer, Failure> = withUnsafeTemporaryAllocation(
            of: CChar.self, capacity: Int(PCAP_ERRBUF_SIZE)
        ) { text in
            text.initialize(repeating: 0)
            guard let base = text.baseAddress else { return .failure(Failure(text: "no memory")) }
            let handle = cpcap_open(path, base)
            return handle.map { .success($0) } ?? .failure(Failure(text: String(cString: base)))
        }
        handle = try opened.get()
    }

    deinit { cpcap_close(handle) }

    /// libpcap's number (DLT) of what all packets begin with.
    var linkType: CInt { cpcap_datalink(handle) }

    /// libpcap's name of ``linkType``, or the number.
    var linkTypeName: String { cpcap_datalink_name(linkType).map { String(cString: $0) } ?? "\(linkType)" }

    /// nil at the end of the file.
    func next() throws(Failure) -> Frame? {
        var header: UnsafeMutablePointer<pcap_pkthdr>?
        var data: UnsafePointer<UInt8>?
        let result = cpcap_next(handle, &header, &data)
        if result == PCAP_ERROR_BREAK { return nil }
        guard result == 1, let header = header?.pointee, let data else {
            throw Failure(text: cpcap_error(handle).map { String(cString: $0) } ?? "cannot be read")
        }
        // tv_usec holds nanoseconds: that is what the file was opened for.
        return Frame(
            seconds: Int64(header.ts.tv_sec), nanoseconds: Int64(header.ts.tv_usec), length: Int(header.len),
            bytes: Array(UnsafeBufferPointer(start: data, count: Int(header.caplen))))
    }
}
