import NetlinkKit

// Devices of bonds that have ended. To delete one takes the kernel some 20 ms, in which this program can do nothing
// else, and to delete many together hardly longer: those that end in one round of events go together, so that a
// thousand gateways that leave keep nobody's Hello waiting.
extension KernelState {
    /// Devices that are to be deleted are put into a group of this number, which nobody else has by chance.
    static let group = UInt32.random(in: 1 << 30..<1 << 31)

    /// What stays of a bond until ``deleteEnded()``.
    func end(_ link: KernelObject, of owner: Owner) { ended.append((link, owner)) }

    func deleteEnded() {
        guard !ended.isEmpty else { return }
        let devices = ended
        ended = []
        let left = deleteLinks(devices.compactMap { $0.link.link })
        for (link, owner) in devices {
            if let name = link.link, !left.contains(name) {
                forget(link)
                continue
            }
            do {
                try remove(link)
            } catch {
                refuse(error)
                leave(.remove(link), of: owner)
            }
        }
    }

    /// Deletes devices together.
    /// - Returns: those that are still there, or whose group could not be set
    func deleteLinks(_ names: [String]) -> Set<String> {
        guard names.count > 1 else { return Set(names) }
        let grouped = route.perform(names.map { Link.setGroup(.name($0), Self.group) })
        do throws(KernelError) {
            try route.perform(Link.delete(group: Self.group))
        } catch {
            return Set(names)
        }
        return Set(zip(names, grouped).compactMap { name, result in (try? result.get()) == nil ? name : nil })
    }
}
