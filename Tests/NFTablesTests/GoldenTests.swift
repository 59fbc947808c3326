import Addresses
import CLinux
import NetlinkKit
import Testing

@testable import NFTables

/// What nft 1.0.6 (libnftnl 1.2.4, Linux 6.18) sends for the same, printed by `nft --debug=mnl`: the bytes behind the
/// netlink header.
@Suite struct GoldenTests {
    private let table = TableName(.ip, "g")

    private func sent(_ body: (inout Transaction) -> Void) -> [String] {
        var transaction = Transaction()
        body(&transaction)
        #expect(transaction.problem == nil)
        return transaction.requests.map { hex($0.bytes.dropFirst(16)) }
    }

    private func hex(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    private func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    /// The message with its header.
    private func message(_ type: UInt32, _ hex: String) -> [UInt8] {
        let body = bytes(hex)
        return UInt32(body.count + 16).hostOrderBytes + [UInt8(type), UInt8(NFNL_SUBSYS_NFTABLES)]
            + [UInt8](repeating: 0, count: 10) + body
    }

    /// The outermost attributes, but for the number of a set.
    private func attributes(_ hex: String) -> Set<[UInt8]> {
        var found: Set<[UInt8]> = []
        let bytes = Array(bytes(hex).dropFirst(4))
        AttributeReader<Never>(bytes.span.bytes).forEach { type, payload in
            if type != UInt16(NFTA_SET_ELEM_LIST_SET_ID.rawValue) {
                found.insert([UInt8(type)] + payload.withUnsafeBytes { Array($0) })
            }
        }
        return found
    }

    /// Each with the declaration that nft read.
    @Test func sets() {
        let sets: [(NamedSet, String)] = [
            // map peers { typeof ip saddr . @th,32,32 : verdict; comment "k"; }
            (
                NamedSet(table, "peers", key: [.ipv4Address, Field.greKey.type], data: .verdict, comment: "k"),
                """
                0200000006000100670000000a0002007065657273000000080003000000000808000400000001c40800050000000008\
                08000600ffffff00080007000000000008000a00000000016c000d00000400000000010400000000034600040d000000\
                013e0014000407000000010c00040c00000001040b0000000126000407000000011e0004000000000104000000000204\
                030000000304200000000404200000000408000401000000010006040000000007026b00
                """
            ),
            // map legs { typeof meta mark . @th,32,32 : ip saddr; }
            (
                NamedSet(table, "legs", key: [.mark, Field.greKey.type], data: .field(.ipv4Address)),
                """
                020000000600010067000000090002006c65677300000000080003000000000808000400000004c40800050000000008\
                0800060000000007080007000000000408000a00000000026e000d00000400000000010402000000034000040d000000\
                0138000e00040900000001060004030000000126000407000000011e0004000000000104000000000204030000000304\
                200000000404200000000414000407000000010c00040c00000001040b0000000604000000000000
                """
            ),
            // set dyn { typeof @th,32,32; size 65535; flags dynamic,timeout; timeout 2s; }
            (
                NamedSet(table, "dyn", key: [Field.greKey.type], flags: [.dynamic, .timeout], timeout: 2000),
                """
                0200000006000100670000000800020064796e0008000300000000300800040000000004080005000000000408000a00\
                000000030c000980080001000000ffff0c000b0000000000000007d032000d000004020000000326000407000000011e\
                0004000000000104000000000204030000000304200000000404200000000000
                """
            ),
            // set marks { type mark; }
            (
                NamedSet(table, "marks", key: [.mark]),
                """
                0200000006000100670000000a0002006d61726b73000000080003000000000008000400000000130800050000000004\
                08000a00000000040a000d000004010000000000
                """
            ),
            // set iv { type ipv4_addr; flags interval; }
            (
                NamedSet(table, "iv", key: [.ipv4Address], flags: .interval),
                """
                020000000600010067000000070002006976000008000300000000040800040000000007080005000000000408000a00\
                000000050a000d000004020000000000
                """
            ),
            // set asked { typeof ip saddr . udp sport . ip saddr . @th,64,16; size 16384; flags dynamic,timeout;
            //   timeout 10s; }
            (
                NamedSet(
                    table, "asked",
                    key: [.ipv4Address, .inetService, .ipv4Address, .payload(.transport, offset: 8, length: 2)],
                    flags: [.dynamic, .timeout], size: 16384, timeout: 10_000),
                """
                0200000006000100670000000a00020061736b6564000000080003000000003008000400001cd1c40800050000000010\
                08000a00000000060c00098008000100000040000c000b0000000000000027107e000d00000400000000037200040d00\
                0000016a0014000407000000010c00040c00000001040b0000000114000407000000010c000406000000010401000000\
                0214000407000000010c00040c00000001040b0000000326000407000000011e00040000000001040000000002040300\
                00000304400000000404100000000000
                """
            ),
        ]
        let messages = sent { transaction in for (set, _) in sets { transaction.add(set) } }
        for (message, (set, golden)) in zip(messages, sets) { #expect(message == golden, "\(set.name)") }
        #expect(messages.count == sets.count)
    }

    /// Each with the command that nft read.
    @Test func rules() {
        let rules: [(ChainRule, String)] = [
            // add rule ip g c ip protocol gre ip daddr set meta mark & 0xf0000000 . @th,32,32 map @legs
            (
                ChainRule(
                    table, "c", .match(.ipProtocol, .equal(.gre)),
                    .set(.ipDaddr, to: "legs", of: [.mark.masked(.mark(0xF000_0000)), .greKey])),
                """
                02000000060001006700000006000200630000008c010480340001800c0001007061796c6f6164002400028008000100\
                000000010800020000000001080003000000000908000400000000012c00018008000100636d70002000028008000100\
                0000000108000200000000000c000380050001002f00000024000180090001006d657461000000001400028008000200\
                0000000308000100000000014c0001800c00010062697477697365003c00028008000100000000010800020000000001\
                080006000000000008000300000000040c00048008000100000000f00c0005800800010000000000340001800c000100\
                7061796c6f61640024000280080001000000000908000200000000020800030000000004080004000000000438000180\
                0b0001006c6f6f6b757000002800028008000200000000010800030000000001090001006c6567730000000008000400\
                000000024c0001800c0001007061796c6f6164003c000280080005000000000108000200000000010800030000000010\
                08000400000000040800060000000001080007000000000a0800080000000001
                """
            ),
            // add rule ip g c update @dyn { @th,32,32 timeout 2s } counter comment "hi"
            (
                ChainRule(
                    table, "c", .update("dyn", [.greKey], timeout: 2000), .counter, comment: "hi"),
                """
                02000000060001006700000006000200630000008c000480340001800c0001007061796c6f6164002400028008000100\
                00000001080002000000000208000300000000040800040000000004400001800b00010064796e736574000030000280\
                080004000000000108000300000000010c00060000000000000007d00800010064796e00080002000000000314000180\
                0c000100636f756e7465720004000280090007000003686900000000
                """
            ),
            // add rule ip g c ip saddr . @th,32,32 vmap @peers
            (
                ChainRule(
                    table, "c", .verdict(of: [.ipSaddr, .greKey], in: "peers")),
                """
                0200000006000100670000000600020063000000a4000480340001800c0001007061796c6f6164002400028008000100\
                000000010800020000000001080003000000000c0800040000000004340001800c0001007061796c6f61640024000280\
                0800010000000009080002000000000208000300000000040800040000000004380001800b0001006c6f6f6b75700000\
                28000280080002000000000108000300000000000a00010070656572730000000800040000000001
                """
            ),
            // add rule ip g c oifname "bond0" ip saddr != 100.64.0.2 snat to 100.64.0.2
            (
                ChainRule(
                    table, "c", .match(.outputInterfaceName, .equal(.interfaceName("bond0"))),
                    .match(.ipSaddr, .notEqual(.ipv4(IPv4Address(100, 64, 0, 2)))),
                    .snat(to: .ipv4(IPv4Address(100, 64, 0, 2)))),
                """
                02000000060001006700000006000200630000001401048024000180090001006d657461000000001400028008000200\
                0000000708000100000000013800018008000100636d70002c0002800800010000000001080002000000000018000380\
                14000100626f6e64300000000000000000000000340001800c0001007061796c6f616400240002800800010000000001\
                0800020000000001080003000000000c08000400000000042c00018008000100636d7000200002800800010000000001\
                08000200000000010c00038008000100644000022c0001800e000100696d6d6564696174650000001800028008000100\
                000000010c000280080001006440000228000180080001006e6174001c00028008000100000000000800020000000002\
                0800030000000001
                """
            ),
            // add rule ip g c tcp flags syn tcp option maxseg size set rt mtu
            (
                ChainRule(
                    table, "c", .tcpSyn, .setMaximumSegmentToRoute),
                """
                02000000060001006700000006000200630000009401048024000180090001006d657461000000001400028008000200\
                0000001008000100000000012c00018008000100636d700020000280080001000000000108000200000000000c000380\
                0500010006000000340001800c0001007061796c6f616400240002800800010000000001080002000000000208000300\
                0000000d0800040000000001440001800c00010062697477697365003400028008000100000000010800020000000001\
                08000300000000010c00048005000100020000000c00058005000100000000002c00018008000100636d700020000280\
                080001000000000108000200000000010c00038005000100000000002000018007000100727400001400028008000200\
                000000030800010000000001400001800e000100627974656f726465720000002c000280080001000000000108000200\
                000000010800030000000001080004000000000208000500000000023c0001800b00010065787468647200002c000280\
                08000700000000010500020002000000080003000000000208000400000000020800060000000001
                """
            ),
            // add rule ip g c fib saddr . iif oif missing log prefix "x" drop
            (
                ChainRule(
                    table, "c", .reversePathMissing, .log(Log(prefix: "x")), .drop),
                """
                0200000006000100670000000600020063000000a00004802800018008000100666962001c0002800800030000000029\
                080002000000000108000100000000012c00018008000100636d70002000028008000100000000010800020000000000\
                0c000380080001000000000018000180080001006c6f67000c0002800600020078000000300001800e000100696d6d65\
                64696174650000001c0002800800010000000000100002800c0002800800010000000000
                """
            ),
            // add rule ip g c queue flags bypass to 100-103
            (
                ChainRule(
                    table, "c", .queue(100...103, flags: .bypass)),
                """
                0200000006000100670000000600020063000000300004802c0001800a00010071756575650000001c00028006000100\
                0064000006000200000400000600030000010000
                """
            ),
        ]
        for (rule, golden) in rules {
            let bytes = message(NFT_MSG_NEWRULE.rawValue, golden)
            guard let message = Message(bytes.span.bytes, at: 0) else {
                Issue.record("not read as a message")
                continue
            }
            #expect(ChainRule(message)?.definition == rule)
        }
        // nft names sets by number too, and leaves out some defaults; where there are neither, the bytes are the same.
        let messages = sent { transaction in for (rule, _) in rules { transaction.add(rule) } }
        let equal = zip(messages, rules).filter { $0 == $1.1 }.map(\.1.0)
        #expect(equal == rules.map(\.0).filter { $0.expressions.contains { $0.isNatOrQueue } })
    }

    @Test func elements() {
        let peers = NamedSet(table, "peers", key: [.ipv4Address, Field.greKey.type], data: .verdict)
        let legs = NamedSet(table, "legs", key: [.mark, Field.greKey.type], data: .field(.ipv4Address))
        let address = Value.ipv4(IPv4Address(10, 1, 0, 2))
        let messages = sent {
            // add element ip g peers { 10.1.0.2 . 0x5a5a2a36 comment "bond" : goto c }
            $0.add([Element(address, 0x5A5A_2A36, data: .verdict(.goto("c")), comment: "bond")], to: peers)
            // add element ip g legs { 0x10000000 . 0x5a5a2a36 : 10.1.0.2 }
            $0.add([Element(.mark(0x1000_0000), 0x5A5A_2A36, data: .value(address))], to: legs)
        }
        // In another order, and without the number of the set.
        #expect(
            messages.map(attributes)
                == [
                    """
                    0200000006000100670000000a000200706565727300000008000400000000013c00038038000180100001800c000100\
                    0a0100025a5a2a36180002801400028008000100fffffffc06000200630000000b0006000005626f6e640000
                    """,
                    """
                    020000000600010067000000090002006c6567730000000008000400000000022400038020000180100001800c000100\
                    000000105a5a2a360c000280080001000a010002
                    """,
                ].map(attributes))
    }
}

extension Expression {
    fileprivate var isNatOrQueue: Bool {
        switch self {
        case .nat, .queue: true
        default: false
        }
    }
}
