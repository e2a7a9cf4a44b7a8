using System.Reflection;
using System.Text.RegularExpressions;
using Xunit;

namespace PSCrac.Tests.Support;

/// <summary>Holds tests/programs.txt against the tests.</summary>
public partial class WantedProgramsTests
{
    [Fact]
    public void Each_row_names_the_tests_that_want_its_program()
    {
        ILookup<string, string> wanted = FromAssembly().Concat(FromPester()).Distinct().ToLookup(static want => want.Program, static want => want.Test);

        string[] wrong =
        [
            .. from program in WantedPrograms.All.Keys.Union(wanted.Select(static wants => wants.Key))
               let expected = string.Join(' ', wanted[program].Order(StringComparer.Ordinal))
               let listed = WantedPrograms.All.TryGetValue(program, out (string[] Packages, string[] Tests) row) ? string.Join(' ', row.Tests) : "(no row)"
               where expected.Length == 0 || (listed != expected && listed != "*")
               select $"{program} is wanted by '{expected}', its row has '{listed}'",
        ];

        Assert.True(wrong.Length == 0, string.Join('\n', wrong));
    }

    [Fact]
    public void To_want_a_program_without_a_row_is_an_error() =>
        Assert.Contains("no-such-program", Assert.Throws<ArgumentException>(() => WantedPrograms.WhyNot("no-such-program")).Message);

    private static IEnumerable<(string Program, string Test)> FromAssembly() =>
        from type in typeof(WantedProgramsTests).Assembly.GetTypes()
        from method in type.GetMethods()
        from wants in method.GetCustomAttributes().OfType<IWantsPrograms>()
        from program in wants.Programs
        where !Path.IsPathRooted(program)
        select (program, type.Name);

    private static IEnumerable<(string Program, string Test)> FromPester() =>
        from file in Directory.EnumerateFiles(Path.Combine(CriuProgram.Root!, "tests", "Pester"), "*.Tests.ps1")
        from Match call in Obstacle().Matches(File.ReadAllText(file))
        from program in call.Groups[1].Value.Split(',')
        select (program.Trim(), Path.GetFileName(file)[..^".Tests.ps1".Length]);

    [GeneratedRegex(@"Get-CriuObstacle ([\w-]+(?:, [\w-]+)*)")]
    private static partial Regex Obstacle();
}
