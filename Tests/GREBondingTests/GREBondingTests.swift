import Testing

@testable import GREBonding
