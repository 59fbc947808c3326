import ArgumentParser
import Configuration
import EventLog
import Formatting

/// `spillway check`: is everything in the settings right?
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Checks the settings and shows everything that is wrong with them.",
        discussion: "Exit code 0: the settings can be used. 2: they can't.")

    @OptionGroup var file: ConfigurationOption

    @Flag(help: "One JSON object on standard output.")
    var json = false

    @Flag(help: "Do not ask whether this machine has the interfaces: the settings are for another one.")
    var anyInterface = false

    func run() throws {
        do throws(ConfigurationError) {
            let configuration = try file.load(checkingInterfaces: !anyInterface)
            print(json ? report(configuration.roleName, []) : "\(file.path): no problems (\(configuration.roleName))")
        } catch {
            if json {
                print(report(nil, error.problems))
            } else {
                StandardError.write(error.description)
            }
            throw ExitCode.wrongInput
        }
    }

    private func report(_ role: String?, _ problems: [ConfigurationProblem]) -> String {
        var object = JSONObject()
        object.add("file", file.path)
        object.add("valid", problems.isEmpty)
        if let role { object.add("role", role) }
        object.add(
            "problems",
            problems.map { problem in
                var member = JSONObject()
                member.add("file", problem.file)
                if problem.line > 0 { member.add("line", problem.line) }
                if let column = problem.column { member.add("column", column) }
                member.add("reason", problem.reason)
                return member
            })
        return object.description
    }
}
