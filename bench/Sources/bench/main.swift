// Ratios of what Spillway does per message and per packet to something simpler, measured in one run.
// Usage: bench [--json]

let comparisons = [
    Comparison(name: "parse a Setup Accept", baseline: "copy its bytes", work: parse, reference: copy),
    Comparison(name: "serialize a Setup Accept", baseline: "copy its bytes", work: serialize, reference: copy),
    Comparison(name: "parse and serialize", baseline: "copy its bytes", work: parseAndSerialize, reference: copy),
    Comparison(
        name: "resequence, half wait for 32", baseline: "resequence, in order", work: outOfOrder, reference: inOrder),
]
let json = CommandLine.arguments.dropFirst() == ["--json"]
let results = comparisons.map { $0.measure() }
if json {
    print(#"{"benchmark": "wire and resequencer", "results": [\#(results.map(\.json).joined(separator: ", "))]}"#)
} else {
    func column(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
    print(column("work", 30) + column("against", 22) + "times as long (quartiles)")
    for result in results {
        print(
            column(result.name, 30) + column(result.baseline, 22)
                + "\(rounded(result.ratio)) (\(rounded(result.low)) to \(rounded(result.high)))")
    }
}
