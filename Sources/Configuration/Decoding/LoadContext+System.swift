import Glibc

extension LoadContext {
    /// The files and the host name of this machine.
    static let system = LoadContext(read: readFile, list: listFolder, hostName: systemHostName, mode: fileMode)

    private static func readFile(_ path: String, limit: Int) throws(ConfigurationError) -> [UInt8] {
        // Without O_NONBLOCK a FIFO given as a file would hang the start.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw ConfigurationError(file: path, reason: "cannot open it: \(lastError())") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw ConfigurationError(file: path, reason: "cannot read it: \(lastError())")
            }
            if count == 0 { return bytes }
            bytes += chunk.prefix(count)
            if bytes.count > limit {
                throw ConfigurationError(file: path, reason: "larger than \(limit >> 20) MiB")
            }
        }
    }

    private static func listFolder(_ path: String) throws(ConfigurationError) -> [String] {
        guard let folder = opendir(path) else {
            if errno == ENOENT || errno == ENOTDIR { return [] }
            throw ConfigurationError(file: path, reason: "cannot list it: \(lastError())")
        }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            names.append(
                withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                })
        }
        return names
    }

    private static func fileMode(_ path: String) -> UInt32? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o7777 : nil
    }

    private static func systemHostName() -> String {
        var name = [CChar](repeating: 0, count: 65)  // HOST_NAME_MAX + 1
        guard gethostname(&name, 64) == 0 else { return "" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func lastError() -> String { String(cString: strerror(errno)) }
}
