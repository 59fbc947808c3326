import Testing

@testable import NetlinkKit
