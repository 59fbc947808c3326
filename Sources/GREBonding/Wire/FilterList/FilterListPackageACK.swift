/// The answer of the HG to a Filter List Package: RFC 8157 §5.6.12.
public struct FilterListPackageACK: Hashable, Sendable {
    /// Values without a meaning are kept.
    public struct Code: RawRepresentable, Hashable, Sendable {
        /// The byte of the wire.
        public var rawValue: UInt8

        /// Any value; 0…2 have a meaning.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// The package was taken.
        public static let acknowledged = Code(rawValue: 0)
        /// The package was not taken and the HG has no list at all; the HAAP should have it set up its tunnels anew.
        public static let noListYet = Code(rawValue: 1)
        /// The package was not taken; the HG goes on with the list it has.
        public static let oldListKept = Code(rawValue: 2)
    }

    /// The Commit_Count of the package that this answers.
    public var commitCount: UInt32
    /// Whether the package was taken.
    public var code: Code

    /// Both fields as on the wire.
    public init(commitCount: UInt32, code: Code) {
        self.commitCount = commitCount
        self.code = code
    }
}
