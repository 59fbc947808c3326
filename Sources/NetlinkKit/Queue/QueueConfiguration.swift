import CLinux

/// `NFQA_CFG_*`
private enum QueueConfigurationSpace {
    static let command = Attribute<QueueConfigurationSpace, Structure<nfqnl_msg_config_cmd>>(
        NFQA_CFG_CMD, "NFQA_CFG_CMD")
    /// Copy range (big-endian) and copy mode: a packed structure of 5 bytes.
    static let parameters = Attribute<QueueConfigurationSpace, [UInt8]>(NFQA_CFG_PARAMS, "NFQA_CFG_PARAMS")
    static let maximumLength = Attribute<QueueConfigurationSpace, BigEndian<UInt32>>(
        NFQA_CFG_QUEUE_MAXLEN, "NFQA_CFG_QUEUE_MAXLEN")
    static let mask = Attribute<QueueConfigurationSpace, BigEndian<UInt32>>(NFQA_CFG_MASK, "NFQA_CFG_MASK")
    static let flags = Attribute<QueueConfigurationSpace, BigEndian<UInt32>>(NFQA_CFG_FLAGS, "NFQA_CFG_FLAGS")
}

extension PacketQueue {
    static let configType: UInt16 = 0x0302
    static let packetType: UInt16 = 0x0300
    static let verdictType: UInt16 = 0x0301
    static let verdictBatchType: UInt16 = 0x0303

    /// Everything but the copy mode.
    static func configuration(_ number: UInt16, _ maximumLength: UInt32, _ flags: Flags) -> [Request] {
        [
            request("bind", number) {
                var command = nfqnl_msg_config_cmd()
                command.command = 1  // NFQNL_CFG_CMD_BIND
                $0.put(QueueConfigurationSpace.command, command)
            },
            request("set the length of", number) { $0.put(QueueConfigurationSpace.maximumLength, maximumLength) },
            request("set the flags of", number) {
                $0.put(QueueConfigurationSpace.mask, Flags([.failOpen, .gso]).rawValue)
                $0.put(QueueConfigurationSpace.flags, flags.rawValue)
            },
        ]
    }

    static func start(_ number: UInt16, _ copyRange: UInt32) -> Request {
        request("start", number) {
            var parameters: [UInt8] = []
            parameters.appendBytes(of: copyRange.bigEndian)
            parameters.append(2)  // NFQNL_COPY_PACKET
            $0.put(QueueConfigurationSpace.parameters, parameters)
        }
    }

    private static func request(
        _ verb: String, _ number: UInt16, _ body: (inout AttributeWriter<QueueConfigurationSpace>) -> Void
    ) -> Request {
        var header = nfgenmsg()
        header.res_id = number.bigEndian
        return Request(
            Operation(verb, "queue \(number)"), type: configType, flags: [], header: header,
            QueueConfigurationSpace.self, body)
    }
}
