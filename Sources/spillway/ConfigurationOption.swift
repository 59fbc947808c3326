import ArgumentParser
import Configuration

/// `--config`, the same for each command that needs the settings.
struct ConfigurationOption: ParsableArguments {
    @Option(name: [.customShort("c"), .customLong("config")], help: "The settings file.")
    var path = "/etc/spillway/spillway.toml"

    /// The settings; throws all that is wrong with them.
    func load(checkingInterfaces: Bool = true) throws(ConfigurationError) -> Configuration {
        guard checkingInterfaces else { return try Configuration.load(path: path) }
        return try Configuration.load(path: path, interfaceExists: Machine.interfaceExists)
    }
}
