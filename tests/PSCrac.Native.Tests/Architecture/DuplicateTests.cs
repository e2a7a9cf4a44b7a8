using System.Buffers;
using Microsoft.CodeAnalysis;
using Xunit;

namespace PSCrac.Tests.Architecture;

/// <summary>One piece of knowledge has one place: no longer run of the same lines stands twice in the sources.</summary>
public class DuplicateTests
{
    private const int LongestRun = 8;
    private static readonly SearchValues<char> s_punctuation = SearchValues.Create("{}()[];,");

    [Fact]
    public void No_run_of_more_than_eight_lines_stands_twice()
    {
        List<SourceFile> files = [.. EngineSources.All.Trees.Select(static tree => new SourceFile(tree.FilePath, Lines(tree.ToString())))];
        List<string> runs = FindRuns(files);
        Assert.True(runs.Count == 0, string.Join('\n', runs));
    }

    [Fact]
    public void A_run_is_found_within_a_file_and_in_another()
    {
        string[] run = [.. Enumerable.Range(0, 9).Select(static i => $"Do({i});")];
        string[] shorter = run[..8];
        Assert.Empty(FindRuns([File("a.cs", run)]));
        Assert.Empty(FindRuns([File("a.cs", shorter), File("b.cs", shorter)]));
        Assert.Equal(["a.cs:2-10 and b.cs:1-9"], FindRuns([File("a.cs", ["{", .. run, "First();"]), File("b.cs", [.. run, "Second();"])]));
        Assert.Equal(["a.cs:1-9 and a.cs:11-19"], FindRuns([File("a.cs", [.. run, "Between();", .. run])]));

        // White space, empty lines, braces, comments and usings tell no difference, and are none.
        Assert.Equal(
            ["a.cs:1-9 and b.cs:2-13"],
            FindRuns([File("a.cs", run), File("b.cs", ["using System;", $"    {run[0]}", "", "{", "// why", .. run[1..]])]));
        Assert.Empty(FindRuns([File("a.cs", ["", .. shorter, ""]), File("b.cs", ["", .. shorter, ""])]));
    }

    private static SourceFile File(string path, string[] lines) => new(path, Lines(string.Join('\n', lines)));

    private static List<(int Number, string Text)> Lines(string text)
    {
        var lines = new List<(int, string)>();
        int number = 0;
        foreach (ReadOnlySpan<char> line in text.AsSpan().EnumerateLines())
        {
            number++;
            ReadOnlySpan<char> code = line.Trim();
            if (code.ContainsAnyExcept(s_punctuation) && !code.StartsWith("//", StringComparison.Ordinal) && !code.StartsWith("using ", StringComparison.Ordinal))
            {
                lines.Add((number, code.ToString()));
            }
        }

        return lines;
    }

    private static List<string> FindRuns(List<SourceFile> files)
    {
        const int Least = LongestRun + 1;
        var found = new List<string>();
        var seen = new Dictionary<string, List<(SourceFile File, int Index)>>(StringComparer.Ordinal);
        foreach (SourceFile file in files)
        {
            for (int i = 0; i + Least <= file.Lines.Count; i++)
            {
                string window = string.Join('\n', file.Lines.GetRange(i, Least).Select(static line => line.Text));
                if (!seen.TryGetValue(window, out List<(SourceFile, int)>? places))
                {
                    seen.Add(window, places = []);
                }

                foreach ((SourceFile other, int at) in places)
                {
                    // Told once, where it begins.
                    if (i == 0 || at == 0 || file.Lines[i - 1].Text != other.Lines[at - 1].Text)
                    {
                        found.Add(Describe(other, at, file, i));
                    }
                }

                places.Add((file, i));
            }
        }

        return found;
    }

    private static string Describe(SourceFile first, int from, SourceFile second, int at)
    {
        int length = LongestRun + 1;
        while (from + length < first.Lines.Count && at + length < second.Lines.Count && first.Lines[from + length].Text == second.Lines[at + length].Text)
        {
            length++;
        }

        return $"{first.Path}:{first.Lines[from].Number}-{first.Lines[from + length - 1].Number} and {second.Path}:{second.Lines[at].Number}-{second.Lines[at + length - 1].Number}";
    }

    private sealed record SourceFile(string Path, List<(int Number, string Text)> Lines);
}
