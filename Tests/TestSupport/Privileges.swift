import CLinux
import Glibc

private final class Body {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
}

/// In a thread of this thread's namespaces that has given up what this one goes on to have.
/// - Returns: whether there was such a thread, and it has ended
package func withoutPrivileges(_ body: @escaping () -> Void) -> Bool {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(Body(body)).toOpaque()
    let started = pthread_create(
        &thread, nil,
        { context in
            guard let context else { return nil }
            let body = Unmanaged<Body>.fromOpaque(context).takeRetainedValue()
            if clinux_keep_capabilities(0) == 0 { body.run() }
            return nil
        }, context)
    return started == 0 && pthread_join(thread, nil) == 0
}
