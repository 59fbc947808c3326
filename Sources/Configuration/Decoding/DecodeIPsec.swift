import RADIUS

extension TableReader {
    /// `[ipsec]`; nil without the section.
    /// - Parameter names: whose queue is another one; nil where there is no such section
    func ipsec(
        _ context: LoadContext, _ kernel: KernelConfiguration, _ names: NamesConfiguration? = nil
    ) -> IPsecConfiguration? {
        let isThere = entries["ipsec"] != nil
        let result = section("ipsec") { (table) -> IPsecConfiguration? in
            let keys = table.choice("keys", IPsecConfiguration.Keys.self, required: isThere)
            var result = IPsecConfiguration(keys: keys ?? .ike)
            if let cipher = table.choice("cipher", IPsecConfiguration.Cipher.self) { result.cipher = cipher }
            let lengths = keys == .configured ? 32...253 : 1...253
            result.secret = table.secret("secret", "secret_file", context, lengths: lengths)
            if let salt = table.text("salt") { result.salt = salt }
            if let window = table.integer("replay_window", in: 32...4096, unit: "packets") {
                result.replayWindow = UInt32(window)
            }
            result.volume = table.volume("volume")
            if let offload = table.choice("offload", IPsecConfiguration.Offload.self) { result.offload = offload }
            if let queue = table.integer("queue", in: 0...65535) { result.queue = UInt16(queue) }
            if let number = table.integer("reqid", in: 1...0x7FFF_FFFE) { result.requestID = UInt32(number) }
            result.certificate = table.text("certificate")
            result.identity = table.text("identity")
            result.peerIdentity = table.text("peer_identity")
            result.rekeyTime = table.duration("rekey_time", in: 10...604_800, unit: .seconds)
            guard isThere, let keys else { return nil }
            switch keys {
            case .configured:
                table.checkConfigured(result)
                table.refuse(
                    ["certificate", "identity", "peer_identity", "rekey_time", "queue"], "is for keys = \"ike\"")
            case .ike:
                table.refuse(["salt", "volume"], "the IKE daemon sees to that: leave it out with keys = \"ike\"")
                if result.secret != nil, result.certificate != nil {
                    table.report("certificate", "secret is set, too: only one of them can hold")
                }
            }
            return result
        }
        if let result, result.keys == .ike {
            if (Int(kernel.queue)..<Int(kernel.queue) + Int(kernel.queues)).contains(Int(result.queue)) {
                report("ipsec", "queue \(result.queue) is one of [kernel]'s: the two need different ones")
            } else if result.queue == names?.queue {
                report("ipsec", "queue \(result.queue) is that of [names], too: the two need different ones")
            }
        }
        return result
    }

    private func checkConfigured(_ settings: IPsecConfiguration) {
        if settings.secret == nil, entries["secret"] == nil, entries["secret_file"] == nil {
            report("secret", "required, but missing; it may be in a file of its own: secret_file")
        }
        if settings.cipher == .aesGCM, entries["salt"] == nil {
            report(
                "cipher", "\"aes-gcm\" with configured keys takes a salt that is new at each start, or one key "
                    + "would be used with the same numbers again; \"aes-cbc\" does without")
        }
    }

    private func refuse(_ keys: [String], _ reason: String) {
        for key in keys where entries[key] != nil { report(key, reason) }
    }
}
