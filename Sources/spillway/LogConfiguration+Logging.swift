import Configuration
import EventLog
import Logging

extension LogLevel {
    var logging: Logger.Level {
        switch self {
        case .trace: .trace
        case .debug: .debug
        case .info: .info
        case .notice: .notice
        case .warning: .warning
        case .error: .error
        case .critical: .critical
        }
    }
}

extension LogFormat {
    var style: LineFormat.Style {
        switch self {
        case .text: .text
        case .json: .json
        }
    }
}
