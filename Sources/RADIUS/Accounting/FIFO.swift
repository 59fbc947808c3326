/// A line in which almost all who come go to its end.
struct FIFO<Element: Sendable>: Sendable {
    private var items: [Element] = []
    private var start = 0

    var count: Int { items.count - start }

    mutating func append(_ element: Element) { items.append(element) }

    mutating func prepend(_ element: Element) {
        if start > 0 {
            start -= 1
            items[start] = element
        } else {
            items.insert(element, at: 0)
        }
    }

    mutating func removeFirst() -> Element? { removeFirst { _ in true } }

    /// The first for which the condition holds; those before it are removed, too.
    mutating func removeFirst(where condition: (Element) -> Bool) -> Element? {
        while start < items.count {
            let element = items[start]
            start += 1
            // Half of what is kept is still in use.
            if start > 64, start * 2 > items.count {
                items.removeFirst(start)
                start = 0
            }
            if condition(element) { return element }
        }
        items.removeAll(keepingCapacity: true)
        start = 0
        return nil
    }
}
