using System.Globalization;
using System.Text;
using PSCrac.Criu;
using PSCrac.Options;
using PSCrac.Tests.Architecture;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Options;

public class OptionTableTests
{
    private const string Update = "PSCRAC_UPDATE_DOCS";

    [CriuFact]
    public void Each_row_is_an_option_that_criu_knows()
    {
        // What criu --help leaves out, but criu(8) or its parser (config.c) has.
        string[] unlisted = ["close", "compress", "compress-acceleration", "compress-block", "cpu-cap", "decompress-threads", "enable-external-masters", "enable-external-sharing", "ext-unix-sk", "file-locks", "verbosity"];
        Version version = CriuInstallation.Locate(null).GetVersion();
        string help = CriuEnvironment.RunCheck(CriuInstallation.Locate(null), ["--help"]).Output;
        Assert.Empty(OptionTable.Rows.Where(row =>
            (row.Since is null || row.Since <= version) && !help.Contains($"--{row.Name}", StringComparison.Ordinal) && !unlisted.Contains(row.Name)).Select(static row => row.Name));
    }

    [Fact]
    public void What_may_be_chosen_is_passed_on_in_one_way_and_repeated_where_the_restore_needs_it()
    {
        foreach (OptionRow row in OptionTable.Rows.Where(static row => row.MayBeChosen))
        {
            Assert.False(row.IsReserved, row.Name);
            Assert.True(row.IsRepeated || row.Scope == OptionScope.Checkpoint, row.Name);
        }
    }

    [Fact]
    public void The_page_of_options_is_made_from_the_table()
    {
        string path = Path.Combine(EngineSources.All.Root, "docs/options.md");
        string page = Page();
        if (Environment.GetEnvironmentVariable(Update) is not null)
        {
            File.WriteAllText(path, page);
        }

        Assert.True(File.ReadAllText(path) == page, $"{path} is older than the table of options. Write it with {Update}=1 ./build.sh test -Filter OptionTable");
    }

    private static string Page()
    {
        var page = new StringBuilder("""
            # Options of criu

            Made from the table of options (src/PSCrac.Native/Options/OptionTable.cs). *Chosen*: PSCrac gives it by itself where a process
            needs it. *Repeated*: a restore takes what the checkpoint was made with. `-CriuOption` takes any other long name of criu, too,
            and hands it to criu as it is.

            | criu(8) | given by | at | chosen | repeated |
            | --- | --- | --- | --- | --- |

            """);
        foreach (OptionRow row in OptionTable.Rows.Where(static row => !row.IsReserved))
        {
            string way = row.Parameter is null ? "`-CriuOption`" : $"`-{row.Parameter}`";
            string where = (row.Parameter is null ? row.Scope : row.ParameterScope).ToString().ToLowerInvariant();
            page.Append(CultureInfo.InvariantCulture, $"| `--{row.Name}` | {way} | {where} | {Word(row.MayBeChosen)} | {Word(row.IsRepeated)} |\n");
        }

        string[] reserved = [.. OptionTable.Rows.Where(static row => row.IsReserved).Select(static row => $"`--{row.Name}`")];
        return page.Append(CultureInfo.InvariantCulture, $"\nPSCrac sets these itself: {string.Join(", ", reserved)}.\n").ToString();

        static string Word(bool value) => value ? "yes" : "";
    }
}
