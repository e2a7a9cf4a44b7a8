using PSCrac.Criu;
using PSCrac.Images.Storage;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>
/// Programs that criu runs to recreate namespaces: ip for addresses, routes and rules, iptables-restore for rules that are not in
/// nftables (its net.c), tar and gzip for the files of a tmpfs (its filesystems.c). criu runs them if the image has the file.
/// </summary>
internal sealed class RestoreProgramRule : ImageRule
{
    private static readonly (string File, string What, string[] Programs)[] s_requirements =
    [
        ("ifaddr-", "the addresses of its network namespace", ["ip"]),
        ("route-", "the routes of its network namespace", ["ip"]),
        ("route6-", "the IPv6 routes of its network namespace", ["ip"]),
        ("rule-", "the routing rules of its network namespace", ["ip"]),
        ("tmpfs-", "the files of a tmpfs", ["tar", "gzip"]),
    ];

    internal override void Examine(ImageSubject subject)
    {
        // One finding for each program, however many files need it.
        var reported = new HashSet<string>(StringComparer.Ordinal);
        bool isNetworkRecreated = !subject.HasOption("empty-ns");
        foreach (ImageFileInfo file in subject.Image.Source.Files)
        {
            foreach ((string start, string what, string[] programs) in s_requirements)
            {
                if (file.Name.StartsWith(start, StringComparison.Ordinal) && (isNetworkRecreated || start == "tmpfs-")
                    && CriuPrograms.FindMissing(programs) is { } missing && reported.Add(missing))
                {
                    Report(subject, what, missing, missing);
                }
            }

            string? family = !isNetworkRecreated ? null
                : file.Name.StartsWith("iptables-", StringComparison.Ordinal) ? "iptables"
                : file.Name.StartsWith("ip6tables-", StringComparison.Ordinal) ? "ip6tables"
                : null;
            if (family is not null && !NetworkLock.HasLegacy("restore", isIpv6: family == "ip6tables") && !IsIptablesReported(subject))
            {
                Report(subject, $"the {family} rules of its network namespace", $"{family}-legacy-restore", family);
            }
        }
    }

    // The programs of both families and of the network lock are in one package.
    private static bool IsIptablesReported(ImageSubject subject) =>
        subject.Findings.Exists(static finding => finding.RecommendedAction == CriuPrograms.DescribeInstallation("iptables"));

    private static void Report(ImageSubject subject, string what, string missing, string program) => subject.Block(
        null,
        $"{what}: there is no {missing}",
        CracReason.ProgramMissing,
        "CRIU runs it to restore them.",
        CriuPrograms.DescribeInstallation(program));
}
