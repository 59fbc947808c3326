import RADIUS

extension TableReader {
    /// A secret here, or in a file that nobody else may read. What it is, is in no message.
    /// - Parameter lengths: in bytes
    func secret(
        _ key: String, _ fileKey: String, _ context: LoadContext, lengths: ClosedRange<Int> = 1...253
    ) -> SharedSecret? {
        let text = hiddenText(key)
        guard let path = value(fileKey, String.self, expected: "a path") else {
            guard let text else { return nil }
            return checked(Array(text.utf8), key, lengths)
        }
        if text != nil { report(fileKey, "\(key) is set, too: only one of them can hold") }
        let file = context.resolve(path, relativeTo: location(of: fileKey).file)
        if let mode = context.mode(file), mode & 0o077 != 0 {
            let digits = String(mode & 0o777, radix: 8)
            report(fileKey, "\(file): others may read or write it (mode \(digits)): make it 600")
            return nil
        }
        do throws(ConfigurationError) {
            var bytes = try context.read(file, 4096)
            while let last = bytes.last, last == 0x0A || last == 0x0D { bytes.removeLast() }
            return checked(bytes, fileKey, lengths)
        } catch {
            for problem in error.problems { report(fileKey, "\(problem.file): \(problem.reason)") }
            return nil
        }
    }

    private func checked(_ bytes: [UInt8], _ key: String, _ lengths: ClosedRange<Int>) -> SharedSecret? {
        guard lengths.contains(bytes.count) else {
            report(key, "\(bytes.count) bytes is out of range: \(lengths.lowerBound)…\(lengths.upperBound) bytes")
            return nil
        }
        return SharedSecret(bytes)
    }

    /// A string that no message repeats.
    private func hiddenText(_ key: String) -> String? {
        guard let node = node(key) else { return nil }
        guard case .string(let text) = node.value else {
            report(key, "expected a string, found \(node.value.kind)")
            return nil
        }
        return text
    }

    /// 1…253 bytes without control characters.
    func text(_ key: String) -> String? {
        guard let text = value(key, String.self, expected: "a text") else { return nil }
        guard (1...253).contains(text.utf8.count), !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
            report(key, "is not 1…253 bytes without control characters")
            return nil
        }
        return text
    }
}
