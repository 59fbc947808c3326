import GREBonding
import Testing

@testable import Controller

@Suite struct RequestTests {
    @Test func whatIsWrittenIsRead() {
        var query = StatusQuery()
        (query.filter, query.order, query.limit, query.bond) = (.noLTE, .health, 0, "a name=x limit=7")
        let requests: [Request] = [
            .status(StatusQuery()), .status(query), .drain, .monitor(all: false), .monitor(all: true), .top(10),
            .diagnose(.dsl, .seconds(10)), .diagnose(nil, .zero),
        ]
        for request in requests { #expect(Request(request.line) == request, "\(request.line)") }
        #expect(Request.status(StatusQuery()).line == "status")
        #expect(Request.status(query).line == "status filter=no-lte sort=health limit=0 bond=a name=x limit=7")
    }

    @Test(arguments: [
        "", " ", "statusx", "status x", "status limit", "status limit=-1", "status limit=1000001", "status sort=size",
        "status filter=", "status bond=", "status =", "top", "top -1", "top 1001", "top 1 2", "monitor everything",
        "drain now", "diagnose dsl 0", "status limit=1 x",
    ])
    func nonsense(line: String) { #expect(Request(line) == nil) }
}
