extension Unicode.Scalar {
    /// C0, DEL and C1: what would act on a terminal or break a log line.
    var isControl: Bool { value < 0x20 || (0x7F...0x9F).contains(value) }
}

extension String {
    /// A peer's bytes as UTF-8 made safe to print: invalid sequences are replaced, control characters escaped.
    init(displaying bytes: some Collection<UInt8>) {
        self = ""
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            if scalar.isControl {
                self += scalar.escaped(asASCII: true)
            } else {
                unicodeScalars.append(scalar)
            }
        }
    }
}
