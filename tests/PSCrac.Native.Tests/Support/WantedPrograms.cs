namespace PSCrac.Tests.Support;

/// <summary>The programs of the system that single tests want, as tests/programs.txt lists them.</summary>
internal static class WantedPrograms
{
    /// <summary>The list's rows by program: the packages, and the test files that want it.</summary>
    internal static readonly IReadOnlyDictionary<string, (string[] Packages, string[] Tests)> All = Read();

    /// <summary>Why a test that wants these programs cannot run: there is none of the first that is missing. Null where it can.</summary>
    /// <param name="programs">Programs of the list, and devices by their paths.</param>
    /// <exception cref="ArgumentException">A program is not in the list.</exception>
    internal static string? WhyNot(params IEnumerable<string> programs)
    {
        string? missing = null;
        foreach (string program in programs)
        {
            if (!Path.IsPathRooted(program) && !All.ContainsKey(program))
            {
                throw new ArgumentException($"a test wants {program}, which tests/programs.txt does not list");
            }

            // Python is asked for itself: the name on the PATH may lead to a launcher that has none to start.
            if ((program == "python3" ? PythonProgram.Path : CriuProgram.Find(program)) is null)
            {
                missing ??= program;
            }
        }

        return missing is null ? null : $"there is no {missing}";
    }

    private static Dictionary<string, (string[] Packages, string[] Tests)> Read()
    {
        var all = new Dictionary<string, (string[] Packages, string[] Tests)>();
        foreach (string line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "programs.txt")))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words is [var program, var packages, .. var tests] && program[0] != '#')
            {
                all.Add(program, (packages.Split(','), tests));
            }
        }

        return all;
    }
}

/// <summary>A test that wants programs of tests/programs.txt.</summary>
internal interface IWantsPrograms
{
    /// <summary>The programs.</summary>
    IReadOnlyList<string> Programs { get; }
}
