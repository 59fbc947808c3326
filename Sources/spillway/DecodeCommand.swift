import ArgumentParser
import Decoding
import EventLog
import Glibc

/// `spillway decode`: what the control messages of a capture say, and what is wrong with them.
struct DecodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decode",
        abstract: "Shows the control messages of a capture file (pcap or pcapng) and what is wrong with them.",
        discussion: "Exit code 0: the file was read to its end. 1: it could not be.")

    @Argument(help: "The capture file; - is standard input.")
    var file: String

    @Flag(help: "One JSON object for each control message.")
    var json = false

    func run() throws {
        do throws(CaptureReader.Failure) {
            try decode()
            try flush()
        } catch {
            // libpcap names the file when it cannot open it, and does not when it finds it damaged.
            StandardError.write(error.text.hasPrefix("\(file):") ? error.text : "\(file): \(error.text)")
            throw ExitCode.failure
        }
    }

    private func decode() throws(CaptureReader.Failure) {
        let reader = try CaptureReader(path: file)
        guard let linkType = LinkType(rawValue: reader.linkType) else {
            throw CaptureReader.Failure(text: "packets of link type \(reader.linkTypeName) cannot be read")
        }
        var summary = CaptureSummary()
        defer { if !json { print(summary) } }
        while let frame = try reader.next() {
            let packet = Packet(parsing: frame.bytes, length: frame.length, linkType)
            summary.count(packet)
            guard case .control(let control) = packet else { continue }
            let context = CaptureContext(
                number: summary.packets, seconds: frame.seconds, nanoseconds: frame.nanoseconds,
                captured: frame.bytes.count, length: frame.length)
            print(json ? control.json(context) : control.text(context))
            // Whoever reads along a capture that is still going on sees each message at once.
            try flush()
        }
    }

    private func flush() throws(CaptureReader.Failure) {
        guard fflush(nil) == 0 else { throw CaptureReader.Failure(text: "the output could not be written") }
    }
}
