import GREBonding

extension MessageInspection {
    /// All that is wrong with the message itself: what the codec found, then what the standard does not allow.
    var problems: [Problem] {
        var problems = faults.map { Problem($0) }
        let type = messageType.flatMap { MessageType(rawValue: $0) }
        let leg = leg
        for element in attributes {
            problems += problemsOfValue(element)
            guard let known = element.attribute.knownType, let type, !known.belongs(in: type, leg) else { continue }
            problems.append(
                Problem(
                    .warning, .unexpectedAttribute,
                    "\(AttributeType.name(ofType: known.rawValue)) does not belong in this message",
                    at: element.offset, attributeType: known.rawValue))
        }
        // What a damaged message lacks may have been in the part that is lost.
        guard faults.isEmpty, let type, let leg else { return problems }
        let present = Set(attributes.map(\.attribute.type))
        for required in type.requiredAttributes(leg) where !present.contains(required.rawValue) {
            problems.append(
                Problem(
                    .warning, .missingAttribute,
                    "\(AttributeType.name(ofType: required.rawValue)) is missing", attributeType: required.rawValue))
        }
        if dialect.hasEndMarker, !hasEndMarker {
            problems.append(
                Problem(
                    .warning, .missingEndMarker, "the message does not end with attribute \(Dialect.endMarkerType)"))
        }
        return problems
    }

    /// nil when the T-Type names none, or is not there.
    var leg: LegID? { tunnelType.flatMap { dialect.leg(ofTunnelType: $0) } }

    private func problemsOfValue(_ element: Element) -> [Problem] {
        let type = element.attribute.type
        func warning(_ finding: Problem.Finding, _ text: String) -> Problem {
            Problem(.warning, finding, text, at: element.offset, attributeType: type)
        }
        var problems = element.attribute.violation.map { [warning(.outOfRange, "\($0)")] } ?? []
        switch element.attribute {
        // A known type stands as unknown when its length is wrong, which is reported already.
        case .unknown where !dialect.hasEndMarker && AttributeType(rawValue: type) == nil:
            problems.append(warning(.unknownAttribute, "attribute \(type) is not defined"))
        case .filterListPackage(let package):
            if package.packetID == 0 || package.packetID > package.packetSum {
                problems.append(
                    warning(.packetNumbering, "package \(package.packetID) of \(package.packetSum) cannot be"))
            }
            for item in package.items {
                do throws(FilterRuleError) {
                    _ = try FilterRule(item)
                } catch {
                    problems.append(warning(.unusableItem, "\(error)"))
                }
            }
            if !package.malformedRemainder.isEmpty {
                let count = package.malformedRemainder.count
                problems.append(warning(.malformedItem, "the last \(count) bytes of the package are not a filter item"))
            }
        default: break
        }
        return problems
    }
}

extension AttributeType {
    /// Where the standard puts the attribute: RFC 8157 §5.1–§5.6. `leg` is nil when it is not known.
    fileprivate func belongs(in message: MessageType, _ leg: LegID?) -> Bool {
        switch self {
        case .clientIdentificationName: message == .setupRequest && leg != .primary
        case .dslSynchronizationRate: message == .setupRequest && leg != .secondary
        case .sessionID: message == .setupRequest || message == .setupAccept
        case .hIPv4Address, .hIPv6Address, .rttDifferenceThreshold, .bypassBandwidthCheckInterval,
            .activeHelloInterval, .helloRetryTimes, .idleTimeout, .bondingKeyValue, .configuredDSLUpstreamBandwidth,
            .configuredDSLDownstreamBandwidth, .rttDifferenceThresholdViolation, .rttDifferenceThresholdCompliance,
            .idleHelloInterval, .noTrafficMonitoredInterval:
            message == .setupAccept
        case .timestamp, .ipv6PrefixAssignedByHAAP: message == .hello
        case .errorCode: message == .setupDeny || message == .tearDown
        case .bypassTrafficRate, .filterListPackage, .switchingToDSLTunnel, .overflowingToLTETunnel, .dslLinkFailure,
            .lteLinkFailure, .ipv6PrefixAssignedToHost, .diagnosticStartBondingTunnel, .diagnosticStartDSLTunnel,
            .diagnosticStartLTETunnel, .diagnosticEnd, .filterListPackageACK, .switchingToActiveHelloState,
            .switchingToIdleHelloState, .tunnelVerification:
            message == .notify
        }
    }
}

extension MessageType {
    /// What a message must carry, in both dialects: RFC 8157 §5.1–§5.5. Of the two H addresses an aggregator of one
    /// family sends one. The standard has no "MUST" for the Bonding Key Value, but no bond goes on without it.
    fileprivate func requiredAttributes(_ leg: LegID) -> [AttributeType] {
        switch self {
        case .setupRequest:
            leg == .secondary ? [.clientIdentificationName] : [.sessionID, .dslSynchronizationRate]
        case .setupAccept where leg == .secondary:
            [
                .sessionID, .rttDifferenceThreshold, .bypassBandwidthCheckInterval, .activeHelloInterval,
                .helloRetryTimes, .idleTimeout, .bondingKeyValue, .rttDifferenceThresholdViolation,
                .rttDifferenceThresholdCompliance, .idleHelloInterval, .noTrafficMonitoredInterval,
            ]
        case .setupAccept: [.configuredDSLUpstreamBandwidth, .configuredDSLDownstreamBandwidth]
        case .hello: [.timestamp, .ipv6PrefixAssignedByHAAP]
        case .setupDeny, .tearDown: [.errorCode]
        case .notify: []
        }
    }
}
