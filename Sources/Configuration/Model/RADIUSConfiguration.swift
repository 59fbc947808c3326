public import Addresses
public import RADIUS

/// Servers that say who may bond, and take accounting (`[radius]`). RFC 2865, RFC 2866, RFC 5176.
public struct RADIUSConfiguration: Hashable, Sendable {
    public struct Server: Hashable, Sendable {
        /// `address`, required.
        public var address: IPAddress
        /// `secret`, or the content of the file that `secret_file` names: 1…253 bytes.
        public var secret: SharedSecret
        /// `authentication_port`. Default: 1812.
        public var authenticationPort: UInt16 = 1812
        /// `accounting_port`. Default: 1813.
        public var accountingPort: UInt16 = 1813
        /// `message_authenticator`: answers to Access-Requests have to carry one (RFC 3579 §3.2). Default: true.
        public var requiresMessageAuthenticator = true

        public init(address: IPAddress, secret: SharedSecret) {
            self.address = address
            self.secret = secret
        }
    }

    /// `[[radius.server]]`: at least one, in the order in which they are asked.
    public var servers: [Server]
    /// `nas_identifier`: 1…253 bytes. Default: the host name.
    public var nasIdentifier: String
    /// `source`: the addresses to send from, at most one of each family; they are the NAS-IP-Address and the
    /// NAS-IPv6-Address, too. Default: those of `address` are named, and the kernel chooses the source.
    public var source: [IPAddress] = []
    /// `user_name`: the User-Name; "{cin}", "{leg}" and "{address}" stand for those of the request. Default: "{cin}".
    public var userName = "{cin}"
    /// `password`: the User-Password. Default: the User-Name.
    public var password: SharedSecret?
    /// `timeout`: the first wait for an answer, which doubles with each try: 100 ms…10 s. Default: 1 s.
    public var timeout: Milliseconds = .seconds(1)
    /// `tries`: how often one server is asked, 1…10. Default: 3.
    public var tries = 3
    /// `dead_time`: for how long a server that did not answer is asked last, 1…3600 s. Default: 60 s.
    public var deadTime: Milliseconds = .seconds(60)
    /// `accounting`. Default: true.
    public var accounting = true
    /// `interim_interval`: between two accounting records of a bond that lives, 60…86400 s; 0 is none. Default: 600 s.
    public var interimInterval: Milliseconds = .seconds(600)
    /// `accounting_queue`: records that wait while no server answers, 100…1000000. Default: 10000.
    public var accountingQueue = 10_000
    /// `dynamic_authorization`: take the requests of RFC 5176 from the servers. Default: false.
    public var dynamicAuthorization = false
    /// `dynamic_authorization_port`. Default: 3799.
    public var dynamicAuthorizationPort: UInt16 = 3799
    /// `event_timestamp`: requests of RFC 5176 have to carry one. Default: false.
    public var requiresEventTimestamp = false
    /// `vendor`: the private enterprise number of this program's own attributes, 1…16777215. Default: 32473, which is
    /// set aside for documents (RFC 5612): none is assigned to this program.
    public var vendor: UInt32 = 32473

    public init(servers: [Server], nasIdentifier: String) {
        self.servers = servers
        self.nasIdentifier = nasIdentifier
    }
}
