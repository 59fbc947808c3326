// NetlinkKit
