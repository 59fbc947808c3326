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

    /// Binds a queue and tells it all, in one request: what comes to a queue that is bound and has no copy mode yet is
    /// dropped.
    static func bind(_ number: UInt16, copyRange: UInt32, maximumLength: UInt32, flags: Flags) -> Request {
        var header = nfgenmsg()
        header.res_id = number.bigEndian
        return Request(
            Operation("bind", "queue \(number)"), type: configType, flags: [], header: header,
            QueueConfigurationSpace.self
        ) {
            var command = nfqnl_msg_config_cmd()
            command.command = 1  // NFQNL_CFG_CMD_BIND
            $0.put(QueueConfigurationSpace.command, command)
            var parameters: [UInt8] = []
            parameters.appendBytes(of: copyRange.bigEndian)
            parameters.append(2)  // NFQNL_COPY_PACKET
            $0.put(QueueConfigurationSpace.parameters, parameters)
            $0.put(QueueConfigurationSpace.maximumLength, maximumLength)
            $0.put(QueueConfigurationSpace.mask, Flags([.failOpen, .gso]).rawValue)
            $0.put(QueueConfigurationSpace.flags, flags.rawValue)
        }
    }
}
