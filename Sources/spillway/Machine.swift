import Glibc

/// What the commands ask of the machine they run on.
enum Machine {
    /// Whether this machine has the network interface.
    static func interfaceExists(_ name: String) -> Bool { if_nametoindex(name) != 0 }
}
