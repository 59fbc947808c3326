@testable import NetlinkKit

// Requests about something that is in no kernel.

enum Outer {
    static let number = Attribute<Outer, UInt32>(1, "NUMBER")
    static let text = Attribute<Outer, String>(3, "TEXT")
    static let inner = Nest<Outer, Inner>(2, "INNER")
}

enum Inner {
    static let key = Attribute<Inner, BigEndian<UInt32>>(5, "KEY")
    static let small = Attribute<Inner, UInt8>(6, "SMALL")
}

func request(_ name: String, number: UInt32 = 1) -> Request {
    Request(Operation("create", "thing \"\(name)\""), type: 30, flags: .create, header: UInt64(0), Outer.self) {
        $0.put(Outer.number, number)
        $0.nest(Outer.inner) {
            $0.put(Inner.small, 9)
            $0.put(Inner.key, 0x0102_0304)
        }
        $0.put(Outer.text, "abc")
    }
}
