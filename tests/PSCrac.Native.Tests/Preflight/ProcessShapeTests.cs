using System.Globalization;
using PSCrac.Checkpointing;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Preflight;

/// <summary>
/// Each shape three ways: what preflight foretells against what criu does with no option; with the options chosen, checkpoint
/// and restore by the engine, or its refusal; and the restored process itself says whether its state is right.
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
        (bool done, string log) = run.Dump("bare", ["--leave-running"]);
        bool expected = shape.Need is ShapeNeed.Nothing or ShapeNeed.RestoreOption or ShapeNeed.RestoreFails;
        Assert.True(done == expected, $"criu {(done ? "did it" : "did not do it")} with no option: {log}");
        string foretold = bare.CanCheckpoint ? "works" : "blocked";
        if (shape.Need is not (ShapeNeed.RestoreOption or ShapeNeed.RestoreFails))
        {
            Assert.True(bare.CanCheckpoint == done, $"foretold: {foretold}; criu: {log}; findings: {run.Describe(bare)}");
        }

        // With the options chosen, or given where they lose something: what the cmdlets do.
        ProcessPreflight chosen = run.Examine(PreflightOptions.Default);
        Assert.True(
            chosen.CanCheckpoint == shape.Need is ShapeNeed.Nothing or ShapeNeed.ChosenOptions or ShapeNeed.RestoreOption,
            $"with options chosen: {run.Describe(chosen)}");
        if (chosen.CanCheckpoint)
        {
            Assert.Equal(shape.Need != ShapeNeed.Nothing, !chosen.Options.IsEmpty);
        }

        if (shape.Says is { } says)
        {
            Assert.Contains(chosen.Findings, finding => finding.Severity < CracFindingSeverity.Warning && $"{finding.What} {finding.Why} {finding.RecommendedAction}".Contains(says, StringComparison.Ordinal));
        }

        string options = "";
        string result;
        if (shape.Need is ShapeNeed.Impossible or ShapeNeed.RestoreFails)
        {
            table.AddMessage(name, run.ProveRefused(chosen.Findings[0]));
            result = shape.Need == ShapeNeed.Impossible ? run.ProveUnharmed() : run.ProveRestoreFails();
        }
        else
        {
            if (shape.Consent is { } consent)
            {
                table.AddMessage(name, run.ProveRefused(chosen.Findings[0]));
                chosen = run.Examine(new PreflightOptions { Checkpoint = consent });
                Assert.True(chosen.CanCheckpoint, run.Describe(chosen));
            }

            (result, options) = run.ProveRestored(chosen.Options);
        }

        table.Add(name, foretold, done ? "works" : "fails", options, result);
    }
}
