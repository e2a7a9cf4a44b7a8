using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace PSCrac.Jvm;

/// <summary>
/// The patterns that -XX:CRaCCheckpointTo may have: %, an optional 0, an optional width, a letter
/// (openjdk/crac: crac::interpolate_checkpoint_location). What is known beforehand is filled in: %% and %p, %a. What the JVM
/// fills in at its checkpoint is matched afterwards: %f CPU features, %u a random UUID, %t %T the time, %b %B the JVM's start,
/// %r %R its last restore, %c CPUs, %m heap size, %g restores + 1.
/// </summary>
internal sealed partial class JvmImagePattern
{
    private const string Iso = @"\d{8}T\d{6}Z";
    private const string Number = " *-?\\d+";

    private readonly Regex? _regex;

    private JvmImagePattern(string name, Regex? regex, bool isAlwaysNew)
    {
        Name = name;
        _regex = regex;
        IsAlwaysNew = isAlwaysNew;
    }

    /// <summary>The text with what is known filled in; patterns that are left are as they were written.</summary>
    internal string Name { get; }

    /// <summary>Whether the JVM fills in something that is not known beforehand.</summary>
    internal bool IsOpen => _regex is not null;

    /// <summary>Whether it fills in something new each time: the time of the checkpoint or a random UUID.</summary>
    internal bool IsAlwaysNew { get; }

    /// <summary>Reads a text with patterns.</summary>
    /// <param name="text">A part of the path.</param>
    /// <param name="innerProcessId">The JVM's pid as it sees it.</param>
    internal static JvmImagePattern Parse(string text, int innerProcessId)
    {
        var name = new StringBuilder();
        var regex = new StringBuilder("^");
        bool open = false, isAlwaysNew = false;
        int end = 0;
        foreach (Match match in Pattern().Matches(text))
        {
            Add(text[end..match.Index]);
            end = match.Index + match.Length;
            char letter = match.Groups["letter"].ValueSpan[0];
            if (Known(letter, match.Groups["width"].ValueSpan, innerProcessId) is { } known)
            {
                Add(known);
                continue;
            }

            open = true;
            isAlwaysNew |= letter is 'u' or 't' or 'T';
            name.Append(match.Value);
            regex.Append(letter switch
            {
                'u' => "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
                't' or 'b' or 'r' => Iso,
                'm' => Number + "[kMG]?",
                'f' => "[0-9a-fx,]*",
                _ => Number,
            });
        }

        Add(text[end..]);
        return new JvmImagePattern(name.ToString(), open ? new Regex(regex.Append('$').ToString(), RegexOptions.CultureInvariant) : null, isAlwaysNew);

        void Add(string plain)
        {
            name.Append(plain);
            regex.Append(Regex.Escape(plain));
        }
    }

    /// <summary>Whether the JVM may give its directory this name.</summary>
    internal bool Matches(string name) => _regex is null ? name == Name : _regex.IsMatch(name);

    private static string? Known(char letter, ReadOnlySpan<char> width, int processId) => letter switch
    {
        '%' => "%",
        'a' => OsArchitecture(),
        'p' => Pad(processId.ToString(CultureInfo.InvariantCulture), width),
        _ => null,
    };

    // As %*d and %0*d of printf(3).
    private static string Pad(string number, ReadOnlySpan<char> width) =>
        width.IsEmpty || !int.TryParse(width, NumberStyles.None, CultureInfo.InvariantCulture, out int length) || length > 255
            ? number
            : number.PadLeft(length, width[0] == '0' ? '0' : ' ');

    // Java's system property os.arch; null where it is not known here.
    private static string? OsArchitecture() => RuntimeInformation.OSArchitecture switch
    {
        Architecture.X64 => "amd64",
        Architecture.Arm64 => "aarch64",
        Architecture.RiscV64 => "riscv64",
        Architecture.Ppc64le => "ppc64le",
        Architecture.S390x => "s390x",
        _ => null,
    };

    [GeneratedRegex("%(?<width>[0-9]*)(?<letter>[%afutTbBrRpcmg])")]
    private static partial Regex Pattern();
}
