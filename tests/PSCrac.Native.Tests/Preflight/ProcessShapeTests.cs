using System.Globalization;
using PSCrac.Preflight;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Preflight;

/// <summary>
/// Each shape three ways: what preflight foretells against what criu does with no option; with the options chosen, checkpoint
/// and restore; and the restored process itself says whether its state is right.
/// </summary>
public sealed class ProcessShapeTests(ShapeTable table) : IClassFixture<ShapeTable>
{
    /// <summary>The shapes' names; one that cannot be made here carries the reason.</summary>
    public static TheoryData<string> Names
    {
        get
        {
            var names = new TheoryData<string>();
            foreach (ProcessShape shape in ProcessShapes.All.Values)
            {
                names.Add(shape.WhyNot is { } reason ? $"{shape.Name} (not made here: {reason})" : shape.Name);
            }

            return names;
        }
    }

    [CriuTheory]
    [MemberData(nameof(Names))]
    public void A_shape_is_foretold_and_done(string name)
    {
        if (!ProcessShapes.All.TryGetValue(name, out ProcessShape? shape))
        {
            table.Add(name, "-", "-", "-", "-");
            return;
        }

        using ShapeRun run = ShapeRun.Start(shape);

        // With no option: what is foretold, and what criu does.
        ProcessPreflight bare = run.Examine(new PreflightOptions { ChooseOptions = false });
        (bool done, string log) = run.Dump("bare", ["--leave-running", "--network-lock", "skip"]);
        bool expected = shape.Need is ShapeNeed.Nothing or ShapeNeed.RestoreOption or ShapeNeed.RestoreFails;
        Assert.True(done == expected, $"criu {(done ? "did it" : "did not do it")} with no option: {log}");
        string foretold = bare.CanCheckpoint ? "works" : "blocked";
        if (shape.Need is not (ShapeNeed.RestoreOption or ShapeNeed.RestoreFails))
        {
            Assert.True(bare.CanCheckpoint == done, $"foretold: {foretold}; criu: {log}; findings: {run.Describe(bare)}");
        }

        // With the options chosen, or given where they lose something.
        ProcessPreflight chosen = run.Examine(PreflightOptions.Default);
        List<string> arguments = ShapeRun.ArgumentsOf(chosen.Options);
        Assert.True(
            chosen.CanCheckpoint == shape.Need is ShapeNeed.Nothing or ShapeNeed.ChosenOptions or ShapeNeed.RestoreOption,
            $"with options chosen: {run.Describe(chosen)}");
        if (chosen.CanCheckpoint)
        {
            Assert.Equal(shape.Need != ShapeNeed.Nothing, arguments.Count > 0);
        }

        if (shape.Says is { } says)
        {
            Assert.Contains(chosen.Findings, finding => finding.Severity < CracFindingSeverity.Warning && $"{finding.What} {finding.Why} {finding.Mend}".Contains(says, StringComparison.Ordinal));
        }

        if (shape.Consent is { } consent)
        {
            Assert.True(run.Examine(consent).CanCheckpoint);
            arguments.AddRange(shape.ConsentArguments);
        }

        string result = shape.Need switch
        {
            ShapeNeed.Impossible => run.ProveUnharmed(),
            ShapeNeed.RestoreFails => run.ProveRestoreFails(),
            _ => run.ProveRestored(arguments),
        };
        table.Add(name, foretold, done ? "works" : "fails", string.Join(' ', arguments), result);
    }
}
