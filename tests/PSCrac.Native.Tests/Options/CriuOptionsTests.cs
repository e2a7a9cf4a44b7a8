using PSCrac.Options;
using Xunit;

namespace PSCrac.Tests.Options;

public class CriuOptionsTests
{
    [Fact]
    public void What_is_given_at_the_restore_wins_over_what_it_contradicts()
    {
        var kept = new Dictionary<string, object> { ["tcp-established"] = true };
        RestoreOptions closing = new RestoreOptions { TcpClose = true }.WithDefaults(kept);
        Assert.True(closing.TcpClose);
        Assert.NotEqual(true, closing.TcpEstablished);
        RestoreOptions keeping = new RestoreOptions { TcpEstablished = true }.WithDefaults(new Dictionary<string, object> { ["tcp-close"] = true });
        Assert.True(keeping.TcpEstablished);
        Assert.NotEqual(true, keeping.TcpClose);
        Assert.True(new RestoreOptions().WithDefaults(kept).TcpEstablished);
    }

    [Fact]
    public void Options_that_contradict_each_other_are_refused()
    {
        CracException tcp = Assert.Throws<CracException>(() => new RestoreOptions { TcpEstablished = true, TcpClose = true }.RequireConsistent());
        Assert.Equal(CracReason.OptionRefused, tcp.Reason);
        Assert.Throws<CracException>(() => new CheckpointOptions { LinkRemap = true, LeaveRunning = true }.RequireConsistent());
        new CheckpointOptions { TcpEstablished = true, TcpClose = false, LinkRemap = false, LeaveRunning = true }.RequireConsistent();
    }

    [Fact]
    public void A_restore_repeats_what_the_checkpoint_was_made_with_where_it_is_told_nothing_else()
    {
        var used = new Dictionary<string, object>
        {
            ["shell-job"] = true,
            ["leave-running"] = true,
            ["ghost-limit"] = 5L,
            ["root"] = "/srv",
            ["skip-mnt"] = "/mnt",
            ["manage-cgroups"] = "full",
        };
        RestoreOptions options = new RestoreOptions { CriuOption = new Dictionary<string, object?> { ["root"] = "/other" } }.WithDefaults(used);
        Assert.Equal(new Dictionary<string, object> { ["root"] = "/other", ["shell-job"] = true, ["manage-cgroups"] = "full" }, options.ToNames());
        Assert.Equal(false, new RestoreOptions { ShellJob = false }.WithDefaults(used).ShellJob);
    }

    [Fact]
    public void A_copy_with_another_value_leaves_the_first_as_it_was()
    {
        var first = new CheckpointOptions { ShellJob = true, FreezeTimeout = TimeSpan.FromSeconds(2.5) };
        CheckpointOptions second = first with { ShellJob = null, FileLocks = true };
        Assert.Equal(new Dictionary<string, object> { ["shell-job"] = true, ["timeout"] = 3L }, first.ToNames());
        Assert.Equal(new Dictionary<string, object> { ["file-locks"] = true, ["timeout"] = 3L }, second.ToNames());
    }

    [Fact]
    public void An_option_is_the_same_by_its_property_and_by_criu_s_name()
    {
        var options = new CheckpointOptions { CriuOption = new Dictionary<string, object?> { ["file-locks"] = null, ["ghost-limit"] = "5", ["timeout"] = "soon" } };
        Assert.True(options.FileLocks);
        Assert.Equal(5, options.GhostLimit);
        Assert.Null(options.FreezeTimeout);
    }
}
