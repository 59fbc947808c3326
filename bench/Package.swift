// swift-tools-version: 6.1
import PackageDescription

// A package of its own, so that whoever builds Spillway does not build this.
let package = Package(
    name: "bench",
    dependencies: [.package(name: "spillway", path: "..")],
    targets: [
        .executableTarget(
            name: "bench",
            dependencies: [
                .product(name: "Addresses", package: "spillway"), .product(name: "GREBonding", package: "spillway"),
            ],
            swiftSettings: [.enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("MemberImportVisibility")])
    ]
)
