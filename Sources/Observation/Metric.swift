/// The families of metrics. The names are the same in every version (docs/observe.md); units are base units.
public enum Metric: String, Hashable, Sendable, CaseIterable {
    case build = "spillway_build_info"
    case startTime = "spillway_start_time_seconds"
    case bondsConfigured = "spillway_bonds_configured"
    case bondsUp = "spillway_bonds_up"
    case bondsUsing = "spillway_bonds_using"
    case legsConfigured = "spillway_legs_configured"
    case legsUp = "spillway_legs_up"
    case legLosses = "spillway_leg_losses_total"
    case receivedBytes = "spillway_received_bytes_total"
    case receivedPackets = "spillway_received_packets_total"
    case sentBytes = "spillway_sent_bytes_total"
    case sentPackets = "spillway_sent_packets_total"
    case capacity = "spillway_capacity_bytes_per_second"
    case committed = "spillway_committed_bytes_per_second"
    case bypass = "spillway_bypass_bytes_per_second"
    case roundTrip = "spillway_round_trip_seconds"
    case smoothedRoundTrip = "spillway_smoothed_round_trip_seconds"
    case hellosSent = "spillway_hellos_sent_total"
    case hellosAnswered = "spillway_hellos_answered_total"
    case resequencedPackets = "spillway_resequencer_packets_total"
    case missingPackets = "spillway_resequencer_missing_packets_total"
    case resynchronized = "spillway_resequencer_resynchronized_total"
    case depth = "spillway_resequencer_depth_packets"
    case longestWait = "spillway_resequencer_longest_wait_seconds"
    case queuedPackets = "spillway_queue_packets_total"
    case queueErrors = "spillway_queue_errors_total"
    case draining = "spillway_draining"
    case events = "spillway_events_total"
    case discarded = "spillway_discarded_messages_total"
    case controlDrops = "spillway_control_drops_total"
    case kernelRefusals = "spillway_kernel_refusals_total"
    case ipsecStates = "spillway_ipsec_states"
    case ipsecRefused = "spillway_ipsec_refused_packets_total"
    case drift = "spillway_drift_total"
    case hooks = "spillway_hooks_total"
    case hooksWaiting = "spillway_hooks_waiting"
    case httpRequests = "spillway_http_requests_total"
    case processorTime = "process_cpu_seconds_total"
    case residentMemory = "process_resident_memory_bytes"
    case openDescriptors = "process_open_fds"
    case bondUp = "spillway_bond_up"
    case bondLegUp = "spillway_bond_leg_up"
    case bondReceivedBytes = "spillway_bond_received_bytes_total"
    case bondSentBytes = "spillway_bond_sent_bytes_total"
    case bondCommitted = "spillway_bond_committed_bytes_per_second"

    public var help: String {
        switch self {
        case .build: "Always 1; version and role are labels."
        case .startTime: "When the daemon began, since 1970-01-01T00:00Z."
        case .bondsConfigured: "Bonds that there may be by the settings."
        case .bondsUp: "Bonds that carry packets."
        case .bondsUsing: "Bonds that carry packets, by the legs that they use."
        case .legsConfigured: "Legs that there may be by the settings."
        case .legsUp: "Legs that are set up."
        case .legLosses: "Legs that were lost, by the reason."
        case .receivedBytes: "Outer packets received, IP headers included."
        case .receivedPackets: "Outer packets received."
        case .sentBytes: "Outer packets sent, IP headers included."
        case .sentPackets: "Outer packets sent."
        case .capacity: "A leg's rate as configured or told."
        case .committed: "The rate at which DSL is filled in this end's direction."
        case .bypass: "What goes beside the bond on DSL."
        case .roundTrip: "The round trip of the last Hello."
        case .smoothedRoundTrip: "The smoothed round trip of the Hellos."
        case .hellosSent: "Hellos sent since the leg was set up."
        case .hellosAnswered: "Hellos answered since the leg was set up."
        case .resequencedPackets: "Packets that were put in order, by what became of them."
        case .missingPackets: "Sequence numbers that never came, by why they were given up."
        case .resynchronized: "Starts from a new sequence number."
        case .depth: "Packets that wait for their turn."
        case .longestWait: "The longest time a packet waited for its turn."
        case .queuedPackets: "Packets that the kernel gave to be put in order."
        case .queueErrors: "Packets of that queue that were not treated as they should, by why."
        case .draining: "1 while an aggregation point takes no new bonds."
        case .events: "Events, by their name."
        case .discarded: "Control messages that were not acted on, by the reason."
        case .controlDrops: "Control messages lost because a socket was full."
        case .kernelRefusals: "Requests that the kernel refused."
        case .ipsecStates: "IPsec states of the legs, by whether they are there."
        case .ipsecRefused: "Packets of legs that were refused, by why."
        case .drift: "What others changed of the daemon's objects in the kernel and was put back, by kind of object."
        case .hooks: "Hook commands, by what became of them."
        case .hooksWaiting: "Events that wait for their hook command."
        case .httpRequests: "HTTP requests answered, by status code."
        case .processorTime: "Processor time used."
        case .residentMemory: "Memory in use."
        case .openDescriptors: "Open file descriptors."
        case .bondUp: "1 if this bond carries packets."
        case .bondLegUp: "1 if this leg of the bond is set up."
        case .bondReceivedBytes: "Outer packets of this bond received, IP headers included."
        case .bondSentBytes: "Outer packets of this bond sent, IP headers included."
        case .bondCommitted: "The rate at which this bond's DSL is filled."
        }
    }

    public var isCounter: Bool { rawValue.hasSuffix("_total") }

    /// Only where the settings ask for metrics of each bond.
    public var isPerBond: Bool { rawValue.hasPrefix("spillway_bond_") }
}

/// Prometheus' text format, version 0.0.4.
public struct MetricsText: Sendable {
    public static let type = "text/plain; version=0.0.4; charset=utf-8"

    public private(set) var bytes: [UInt8] = []

    public init() {}

    /// One family: its head, and what `body` adds. Without a value there is nothing of it.
    mutating func family(_ metric: Metric, _ body: (inout Samples) -> Void) {
        var samples = Samples(metric.rawValue)
        body(&samples)
        guard !samples.bytes.isEmpty else { return }
        bytes += "# HELP \(metric.rawValue) \(metric.help)\n# TYPE \(metric.rawValue) ".utf8
        bytes += (metric.isCounter ? "counter\n" : "gauge\n").utf8
        bytes += samples.bytes
    }

    mutating func add(_ metric: Metric, _ value: some BinaryInteger) { family(metric) { $0.add([], value) } }

    struct Samples {
        fileprivate var bytes: [UInt8] = []
        private let name: [UInt8]

        fileprivate init(_ name: String) { self.name = Array(name.utf8) }

        mutating func add(_ labels: [(StaticString, String)], _ value: some BinaryInteger) {
            begin(labels)
            bytes += "\(value)\n".utf8
        }

        /// A fraction: `value` of so many parts of one.
        mutating func add(_ labels: [(StaticString, String)], _ value: Int64, per one: Double) {
            begin(labels)
            bytes += "\(Double(value) / one)\n".utf8
        }

        private mutating func begin(_ labels: [(StaticString, String)]) {
            bytes += name
            var separator: UInt8 = 0x7B
            for (name, value) in labels {
                bytes.append(separator)
                separator = 0x2C
                name.withUTF8Buffer { bytes += $0 }
                bytes += [0x3D, 0x22]
                for byte in value.utf8 {
                    switch byte {
                    case 0x22, 0x5C: bytes += [0x5C, byte]
                    case 0x0A: bytes += [0x5C, 0x6E]
                    default: bytes.append(byte)
                    }
                }
                bytes.append(0x22)
            }
            if !labels.isEmpty { bytes.append(0x7D) }
            bytes.append(0x20)
        }
    }
}
