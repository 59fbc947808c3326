import CLinux
import CScheduler
import GREBonding
import Glibc

/// The program that chooses a leg and a time of departure for each packet of a bond (`scheduler/scheduler.c`), and its
/// tables, which have an entry for each bond's device. Loading it takes CAP_BPF and CAP_NET_ADMIN, once.
final class SchedulerProgram {
    static let name = "spillway"
    /// Bonds at most.
    static let capacity: UInt32 = 65_536

    let descriptor: Int32
    /// The kernel's number of the program.
    let id: UInt32
    private let plans: Int32
    private let states: Int32
    private let scratch = UnsafeMutablePointer<scheduler_state>.allocate(capacity: 1)
    private var found = scheduler_plan()

    init() throws(SystemError) {
        plans = try SystemError.check(
            "bpf map", clinux_bpf_hash("spillway_plan", UInt32(MemoryLayout<scheduler_plan>.size), Self.capacity))
        do throws(SystemError) {
            states = try SystemError.check(
                "bpf map", clinux_bpf_hash("spillway_state", UInt32(MemoryLayout<scheduler_state>.size), Self.capacity))
        } catch {
            close(plans)
            scratch.deallocate()
            throw error
        }
        scratch.initialize(to: scheduler_state())
        var words = Self.words
        Self.place(plans, at: 0x7370_696c_6c77_6101, &words)
        Self.place(states, at: 0x7370_696c_6c77_6102, &words)
        var log = [CChar](repeating: 0, count: 4096)
        descriptor = clinux_bpf_classifier(Self.name, words, UInt32(words.count), &log, UInt32(log.count))
        if descriptor < 0 {
            let number = errno
            close(plans)
            close(states)
            scratch.deallocate()
            // The last line says how many instructions were looked at, the one before it why that was the end.
            let text = String(decoding: log.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let reason = text.split(separator: "\n").last { !$0.hasPrefix("processed ") } ?? ""
            throw SystemError(call: "bpf program: \(reason)", number: number)
        }
        id = clinux_bpf_program_id(descriptor)
    }

    deinit {
        close(descriptor)
        close(plans)
        close(states)
        scratch.deallocate()
    }

    /// Instructions that load this constant, a word and the word after it, load a table instead.
    private static func place(_ table: Int32, at constant: UInt64, _ words: inout [UInt64]) {
        for i in words.indices.dropLast() where words[i] & 0xFF == 0x18 {
            let value = words[i] >> 32 | words[i + 1] & 0xFFFF_FFFF_0000_0000
            guard value == constant else { continue }
            let pseudoMap: UInt64 = 1
            words[i] = words[i] & 0x0FFF | pseudoMap << 12 | UInt64(UInt32(bitPattern: table)) << 32
            words[i + 1] = 0
        }
    }

    /// Puts a plan into effect, from the next packet on; what waits keeps its time.
    func set(_ plan: scheduler_plan, link: UInt32) throws(SystemError) {
        var key = link
        var plan = plan
        var state = scheduler_state()
        if clinux_bpf_get(states, &key, &state) < 0 {
            try SystemError.check("bpf state of link \(link)", clinux_bpf_put(states, &key, &state))
        }
        try SystemError.check("bpf plan of link \(link)", clinux_bpf_put(plans, &key, &plan))
    }

    func remove(link: UInt32) {
        var key = link
        _ = clinux_bpf_remove(plans, &key)
        _ = clinux_bpf_remove(states, &key)
    }

    /// Bytes that were given to the second leg, and how many of them still wait for their time here.
    /// - Parameter rate: bytes a second that leave
    func givenToSecond(link: UInt32, rate: UInt64) -> (bytes: UInt64, waiting: UInt64)? {
        guard readState(link) else { return nil }
        let (bytes, free) = (scratch.pointee.bytes.1, scratch.pointee.free.1)
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let now = UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
        guard free > now, rate > 0 else { return (bytes, 0) }
        let waiting = UInt64(Double(free - now) * Double(rate) / 1e9)
        return (bytes, min(waiting, bytes))
    }

    func plan(link: UInt32) -> scheduler_plan? {
        var key = link
        var plan = scheduler_plan()
        return clinux_bpf_get(plans, &key, &plan) == 0 ? plan : nil
    }

    /// Whether a device has this plan, and a state. Asked for each bond each second.
    func goesBy(_ plan: scheduler_plan, link: UInt32) -> Bool {
        var key = link
        guard clinux_bpf_get(plans, &key, &found) == 0, readState(link) else { return false }
        return withUnsafePointer(to: plan) { memcmp($0, &found, MemoryLayout<scheduler_plan>.size) == 0 }
    }

    func state(link: UInt32) -> scheduler_state? { readState(link) ? scratch.pointee : nil }

    /// Into ``scratch``. Asked for each bond each second: what is read need not be cleared before, nor copied.
    /// - Returns: whether there is any
    private func readState(_ link: UInt32) -> Bool {
        var key = link
        return clinux_bpf_get(states, &key, scratch) == 0
    }
}
