import ArgumentParser
import Configuration
import Controller
import EventLog

/// `spillway ipsec`: what the IKE daemon is to be told.
struct IPsecCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ipsec",
        abstract: "Prints what strongSwan needs to key the legs, for /etc/swanctl/conf.d; it holds the secret.",
        discussion: "A gateway's legs are bound to the addresses that their links have now.")

    @OptionGroup var file: ConfigurationOption

    func run() throws {
        let configuration: Configuration
        do throws(ConfigurationError) {
            configuration = try file.load()
        } catch {
            StandardError.write(error.description)
            throw ExitCode.wrongInput
        }
        do throws(SwanctlFragment.Failure) {
            let text = try SwanctlFragment.text(configuration)
            print("# Written by spillway from \(file.path).\n\(text)", terminator: "")
        } catch {
            StandardError.write(error.description)
            throw ExitCode.failure
        }
    }
}
