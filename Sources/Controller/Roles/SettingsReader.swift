import Configuration
import EventLog
import Formatting
import Logging

/// Reads the settings file again while the daemon runs (`spillway reload`, SIGHUP). What can be taken is; the rest, and
/// a file with anything wrong in it, leaves all as it is.
final class SettingsReader {
    private var settings: Configuration
    private let role: any Role
    private let read: () throws(ConfigurationError) -> Configuration

    /// So many changes are named in an answer; the rest is counted.
    static let namedChanges = 200

    init(
        _ settings: Configuration, _ role: any Role,
        _ read: @escaping () throws(ConfigurationError) -> Configuration
    ) {
        self.settings = settings
        self.role = role
        self.read = read
    }

    /// One JSON object that says what differs, and whether the file can be used.
    func reload(isDry: Bool) -> String {
        let new: Configuration
        do throws(ConfigurationError) {
            new = try read()
        } catch {
            if !isDry {
                for problem in error.problems { role.common.log(.error, "settings-wrong", "\(problem)") }
            }
            return Self.answer(error)
        }
        let (changes, result) = settings.changes(to: new)
        if !isDry {
            settings = result
            role.take(result)
            for change in changes {
                let fields: KeyValuePairs<String, any CustomStringConvertible> = ["section": change.section]
                if change.isLive {
                    role.common.log(.notice, "reloaded", change.what, fields)
                } else {
                    role.common.log(.warning, "not-reloaded", "\(change.what): needs a restart", fields)
                }
            }
        }
        return Self.answer(changes, isDry: isDry)
    }

    private static func answer(_ error: ConfigurationError) -> String {
        var object = JSONObject()
        object.add("version", 1)
        object.add("done", false)
        object.add("reason", "the settings cannot be used")
        object.add("problems", error.problems.prefix(namedChanges).map { "\($0)" })
        return object.description
    }

    private static func answer(_ changes: [SettingsChange], isDry: Bool) -> String {
        var object = JSONObject()
        object.add("version", 1)
        object.add("done", true)
        object.add("dry_run", isDry)
        object.add("needs_restart", changes.contains { !$0.isLive })
        object.add(
            "changes",
            changes.prefix(namedChanges).map { change in
                var one = JSONObject()
                one.add("section", change.section)
                one.add("what", change.what)
                one.add("live", change.isLive)
                return one
            })
        if changes.count > namedChanges { object.add("more_changes", changes.count - namedChanges) }
        return object.description
    }
}
