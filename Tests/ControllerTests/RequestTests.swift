import GREBonding
import Testing

@testable import Controller

@Suite struct RequestTests {
    @Test func whatIsWrittenIsRead() throws {
        var flow = try Flow("tcp", from: "[2001:db8::1]:50000", to: "[2001:db8::2]:443")
        try flow.add(dscp: "46", mac: "02:00:5e:10:00:01", interface: "lan")
        var query = StatusQuery()
        (query.filter, query.order, query.limit, query.bond) = (.noLTE, .health, 0, "a name=x limit=7")
        let requests: [Request] = [
            .status(StatusQuery()), .status(query), .drain, .monitor(all: false), .monitor(all: true), .top(10),
            .diagnose(.dsl, .seconds(10)), .diagnose(nil, .zero), .explain(flow),
        ]
        for request in requests { #expect(Request(request.line) == request, "\(request.line)") }
        #expect(Request.status(StatusQuery()).line == "status")
        #expect(Request.status(query).line == "status filter=no-lte sort=health limit=0 bond=a name=x limit=7")
    }

    @Test(arguments: [
        "", " ", "statusx", "status x", "status limit", "status limit=-1", "status limit=1000001", "status sort=size",
        "status filter=", "status bond=", "status =", "top", "top -1", "top 1001", "top 1 2", "monitor everything",
        "drain now", "diagnose dsl 0", "explain", "explain udp 192.0.2.1", "explain udp 192.0.2.1 192.0.2.2 dscp",
        "explain udp 192.0.2.1 192.0.2.2 x=1", "explain udp 192.0.2.1 192.0.2.2 dscp=64", "status limit=1 x",
    ])
    func nonsense(line: String) { #expect(Request(line) == nil) }
}
