/// The protocol's numbers that a peer does not announce, and the defaults for those it does.
enum Constants {
    /// RFC 8157 §5.2.5 to §5.2.15: what an attribute may say, and what holds when the Accept is silent.
    static let helloInterval = (range: UInt32(1)...100, standard: UInt32(10))
    static let idleHelloInterval = (range: UInt32(100)...86_400, standard: UInt32(1800))
    static let helloRetryTimes = (range: UInt32(3)...10, standard: UInt32(3))
    static let rttDifferenceThreshold = (range: UInt32(0)...1000, standard: UInt32(0))
    static let rttCount = (range: UInt32(1)...25, standard: UInt32(3))
    static let bypassCheckInterval = (range: UInt32(10)...300, standard: UInt32(10))
    static let idleTimeout = (range: UInt32(0)...172_800, standard: UInt32(86_400))
    static let noTrafficMonitoredInterval = (range: UInt32(30)...86_400, standard: UInt32(60))

    /// First wait for an answer to a Setup Request; it doubles with each attempt up to the limit.
    static let setupRetransmission = Duration.seconds(1)
    static let setupRetransmissionLimit = Duration.seconds(60)
    /// First wait after a Deny or Tear Down that may soon no longer hold (maintenance, an old session, the
    /// operator's AAA), and after one that needs somebody to act.
    static let transientDenyWait = Duration.seconds(5)
    static let permanentDenyWait = Duration.seconds(60)
    static let transientDenyLimit = Duration.seconds(60)
    static let permanentDenyLimit = Duration.seconds(3600)

    /// How long the other legs wait for addresses: a lost DHCP message is repeated after 3 to 5 seconds.
    static let addressWait = Duration.seconds(10)

    /// An unanswered Hello is repeated sooner than the interval says: a dead leg should not cost three intervals.
    static let helloRetry = Duration.seconds(1)

    /// When a fresh leg is first asked, and when again if an old failure report may still be under way.
    static let firstHello = Duration.seconds(1)
    static let secondHello = Duration.seconds(5)

    /// An unacknowledged Notify is repeated after 1, 2, 4, 8, 8 … seconds, and slowly from then on: what it says is
    /// a state that both ends must agree on for as long as it holds.
    static let notifyRetransmission = Duration.seconds(1)
    static let notifyRetransmissionLimit = Duration.seconds(8)
    static let notifyFastAttempts = 8
    static let notifySlowRetransmission = Duration.seconds(60)
    /// Topics that are given up. A bypass rate is soon outdated; a gateway may not know filter lists at all.
    static let notifyAttempts: [NotifyTopic: Int] = [.bypassRate: 3, .filterList: filterListAttempts + 10]
    /// Deployed aggregators repeat a filter list after three seconds. After so many attempts the network may be away,
    /// and the others follow when the gateway is heard.
    static let filterListRetransmission = Duration.seconds(3)
    static let filterListAttempts = 20
    /// How long a copy of a message can be on its way.
    static let strayLife = Duration.seconds(4)
    /// The same for a copy that the network made of a message that was answered at once.
    static let doubledLife = Duration.seconds(1)

    /// How often the controller is asked whether packets passed: often while a first packet must wake the bond.
    static let trafficSampleQuiet = Duration.seconds(1)
    static let trafficSampleBusy = Duration.milliseconds(40)
    /// Samples in a row with packets that make a flow, how long a flow may bring nothing before the leg is asked, and
    /// how often it is asked: while there is no answer, and while there are answers but no packets.
    static let flowSamples = 3
    static let silence = Duration.milliseconds(120)
    static let probeRetry = Duration.milliseconds(80)
    static let probeInterval = Duration.milliseconds(250)
    /// How long the aggregator waits for a sample of the kernel's counters.
    static let sampleWait = Duration.seconds(1)

    /// Requests without an answer after which it is said that the aggregator cannot be reached.
    static let unansweredRequests = 5

    /// Bonds are ended in steps while the aggregator drains.
    static let drainStep = Duration.milliseconds(100)
    /// Sessions whose timers run in one go: the end of one takes whoever runs them a millisecond or more, and thousands end
    /// at once when a network fails.
    static let timersAtOnce = 16

    /// RFC 8157 §5.6.15: one initial attempt and two retries.
    static let verificationAttempts = 3
    static let verificationInterval = Duration.seconds(1)

    /// How long a bond whose only leg changed its address waits for the aggregator to accept the new one.
    static let revivalLimit = Duration.seconds(15)

    /// Setup requests that wait for the operator's answer, over all sources and from one of them.
    static let pendingAuthorizations = 4096
    static let pendingPerSource = 16
    static let authorizationWait = Duration.seconds(30)
}

extension UInt32 {
    /// What the peer said, held inside the range that the protocol allows: a bad value must not stop a bond.
    func held(in limits: (range: ClosedRange<UInt32>, standard: UInt32)) -> UInt32 {
        Swift.min(Swift.max(self, limits.range.lowerBound), limits.range.upperBound)
    }
}
