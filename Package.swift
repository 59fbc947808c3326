// swift-tools-version: 6.1
import PackageDescription

// Three layers, one direction: wire -> decisions -> kernel. GREBonding, Leases and what these use are pure (Swift
// standard library only); the dependencies below enforce it.
let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
]

let package = Package(
    name: "spillway",
    products: [
        .executable(name: "spillway", targets: ["spillway"]),
        .executable(name: "spillway-blast", targets: ["spillway-blast"]),
        .library(name: "Addresses", targets: ["Addresses"]),
        .library(name: "NetlinkKit", targets: ["NetlinkKit"]),
        .library(name: "NFTables", targets: ["NFTables"]),
        .library(name: "GREBonding", targets: ["GREBonding"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
    ],
    targets: [
        .systemLibrary(name: "CCares", pkgConfig: "libcares", providers: [.apt(["libc-ares-dev"])]),
        .systemLibrary(name: "CLibmnl", pkgConfig: "libmnl", providers: [.apt(["libmnl-dev"])]),
        .systemLibrary(name: "CLibnftnl", pkgConfig: "libnftnl", providers: [.apt(["libnftnl-dev"])]),
        .systemLibrary(name: "CJSON", pkgConfig: "json-c", providers: [.apt(["libjson-c-dev"])]),
        .systemLibrary(name: "CLibmd", pkgConfig: "libmd", providers: [.apt(["libmd-dev"])]),
        .target(name: "CLinux"),
        .target(name: "CPcap"),
        .target(name: "CScheduler"),
        .target(name: "CTOML"),
        .target(name: "Addresses", swiftSettings: swiftSettings),
        .target(name: "ProtocolSupport", dependencies: ["Addresses"], swiftSettings: swiftSettings),
        .target(name: "GREBonding", dependencies: ["Addresses", "ProtocolSupport"], swiftSettings: swiftSettings),
        .target(name: "Leases", dependencies: ["Addresses", "ProtocolSupport"], swiftSettings: swiftSettings),
        .target(name: "RADIUS", dependencies: ["Addresses", "ProtocolSupport"], swiftSettings: swiftSettings),
        .target(name: "DNSAnswers", dependencies: ["Addresses", "ProtocolSupport"], swiftSettings: swiftSettings),
        .target(name: "NetlinkKit", dependencies: ["Addresses", "CLibmnl", "CLinux"], swiftSettings: swiftSettings),
        .target(
            name: "NFTables", dependencies: ["Addresses", "NetlinkKit", "CLibmnl", "CLibnftnl", "CLinux"],
            swiftSettings: swiftSettings),
        .target(
            name: "Configuration", dependencies: ["Addresses", "GREBonding", "RADIUS", "CTOML"], swiftSettings: swiftSettings),
        .target(name: "Formatting", swiftSettings: swiftSettings),
        .target(name: "Observation", dependencies: ["Formatting"], swiftSettings: swiftSettings),
        .target(
            name: "EventLog", dependencies: ["Formatting", .product(name: "Logging", package: "swift-log")],
            swiftSettings: swiftSettings),
        .target(
            name: "Decoding", dependencies: ["Addresses", "Formatting", "GREBonding"], swiftSettings: swiftSettings),
        .target(name: "Quota", dependencies: ["Formatting"], swiftSettings: swiftSettings),
        .target(
            name: "Controller",
            dependencies: [
                "Addresses", "DNSAnswers", "GREBonding", "Leases", "NetlinkKit", "NFTables", "ProtocolSupport", "RADIUS",
                "CCares", "CLibmd", "CLinux", "CScheduler", "Configuration", "EventLog", "Formatting", "Observation",
                "Quota",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: swiftSettings),
        .executableTarget(
            name: "spillway",
            dependencies: [
                "CJSON", "CPcap", "Configuration", "Controller", "Decoding", "EventLog", "Formatting", "GREBonding", "Observation",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: swiftSettings),
        .executableTarget(
            name: "spillway-blast",
            dependencies: [
                "Addresses", "CLinux", "Formatting", "GREBonding", "Leases", "ProtocolSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: swiftSettings),
        // Programs to copy from. They are no products: `swift build --product spillway` leaves them out.
        .executableTarget(
            name: "tunnel-example", dependencies: ["Addresses", "NetlinkKit"], path: "Examples/tunnel-example",
            swiftSettings: swiftSettings),
        .executableTarget(
            name: "block-example", dependencies: ["Addresses", "NFTables", "NetlinkKit"],
            path: "Examples/block-example", swiftSettings: swiftSettings),
        // What tests of several modules use.
        .target(name: "TestSupport", dependencies: ["CLinux"], path: "Tests/TestSupport", swiftSettings: swiftSettings),
        .testTarget(name: "AddressesTests", dependencies: ["Addresses"], swiftSettings: swiftSettings),
        .testTarget(
            name: "GREBondingTests", dependencies: ["Addresses", "GREBonding", "ProtocolSupport", "TestSupport"],
            resources: [.copy("Vectors")], swiftSettings: swiftSettings),
        .testTarget(
            name: "LeasesTests", dependencies: ["Addresses", "Leases", "ProtocolSupport", "TestSupport"],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "RADIUSTests", dependencies: ["Addresses", "CLibmd", "ProtocolSupport", "RADIUS", "TestSupport"],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "DNSAnswersTests", dependencies: ["Addresses", "DNSAnswers", "ProtocolSupport"],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "NetlinkKitTests", dependencies: ["Addresses", "NetlinkKit", "CLinux", "TestSupport"],
            swiftSettings: swiftSettings),
        .testTarget(name: "NFTablesTests", dependencies: ["NFTables"], swiftSettings: swiftSettings),
        .testTarget(
            name: "ConfigurationTests", dependencies: ["Addresses", "Configuration", "GREBonding", "RADIUS"],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "EventLogTests",
            dependencies: ["EventLog", "Formatting", .product(name: "Logging", package: "swift-log")],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "ObservationTests", dependencies: ["Formatting", "Observation"], swiftSettings: swiftSettings),
        .testTarget(
            name: "DecodingTests", dependencies: ["Addresses", "Decoding", "Formatting", "GREBonding", "TestSupport"],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "ControllerTests",
            dependencies: [
                "Addresses", "CLinux", "CScheduler", "Configuration", "Controller", "DNSAnswers", "GREBonding",
                "Leases", "NFTables", "NetlinkKit", "Observation", "RADIUS", "TestSupport",
            ],
            swiftSettings: swiftSettings),
        .testTarget(name: "QuotaTests", dependencies: ["Formatting", "Quota"], swiftSettings: swiftSettings),
        .testTarget(
            name: "YearTests",
            dependencies: ["Addresses", "GREBonding", "Leases", "ProtocolSupport", "Quota", "TestSupport"],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "DocumentationTests", dependencies: ["GREBonding", "Observation"], swiftSettings: swiftSettings),
    ],
    cxxLanguageStandard: .cxx17
)
