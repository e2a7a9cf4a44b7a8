using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Images.Operations;
using PSCrac.Stores;

namespace PSCrac.Commands;

/// <summary>Remove-CracImage: removes images, and nothing that is not one.</summary>
[Cmdlet(VerbsCommon.Remove, "CracImage", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium, DefaultParameterSetName = PathSet)]
[OutputType(typeof(void))]
public sealed class RemoveCracImageCommand : ImageInputCommand
{
    private readonly List<CracImage> _given = [];

    /// <summary>Remove an image although it is the parent of other images.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>How many of the newest images of a service or a command line stay.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int KeepLast { get; set; }

    /// <summary>Remove only what is at least this old.</summary>
    [Parameter]
    [TimeSpanText]
    public TimeSpan OlderThan { get; set; }

    /// <summary>Remove the oldest until the images of a service or a command line take no more than this, in bytes.</summary>
    [Parameter]
    [ValidateRange(0, long.MaxValue)]
    public long MaximumSize { get; set; }

    /// <summary>A file of credentials for a registry.</summary>
    [Parameter, ValidateNotNullOrEmpty, ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? AuthFile { get; set; }

    /// <summary>A folder of certificates for a registry.</summary>
    [Parameter, ValidateNotNullOrEmpty, ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? CertificateDirectory { get; set; }

    /// <summary>Accept a registry without TLS, and any certificate.</summary>
    [Parameter]
    public SwitchParameter SkipTlsCheck { get; set; }

    /// <inheritdoc/>
    private protected override RegistryAccess Access => RegistryAccessOf(AuthFile, CertificateDirectory, SkipTlsCheck);

    private bool Selects => MyInvocation.BoundParameters.Keys.Any(static name => name is nameof(KeepLast) or nameof(OlderThan) or nameof(MaximumSize));

    /// <inheritdoc/>
    protected override void BeginProcessing() => OrEnd(null, () =>
    {
        if (Force && Selects)
        {
            throw new CracException(
                CracReason.OptionRefused,
                "-Force removes what other images need, and -KeepLast, -OlderThan and -MaximumSize never do.",
                "Leave out -Force, or name the images to remove.");
        }

        if (OlderThan < TimeSpan.Zero)
        {
            throw new CracException(CracReason.OptionRefused, $"-OlderThan {OlderThan} is negative.", "Give the age that an image must have, such as 7.00:00:00.");
        }
    });

    /// <inheritdoc/>
    private protected override bool TakeStored(StoreName name)
    {
        if (Selects)
        {
            throw new CracException(CracReason.OptionRefused, "-KeepLast, -OlderThan and -MaximumSize select among images in folders, not in stores.", "Select what Get-CracImage lists with Where-Object, and pipe it to Remove-CracImage.");
        }

        if (name.Tag is null)
        {
            throw StoredImages.LacksTag(name);
        }

        if (ShouldProcess(name.ToString(), "Remove tag"))
        {
            if (name.IsRegistry)
            {
                RunOperation($"Removing {name}", (_, stopping) =>
                {
                    new Registry(Access).Remove(name, stopping);
                    return true;
                });
            }
            else
            {
                StoreCare.RemoveTag(name, StopToken);
            }
        }

        return true;
    }

    /// <inheritdoc/>
    private protected override void ProcessImage(CracImage image)
    {
        if (Selects)
        {
            // What is removed depends on what else is given.
            _given.Add(image);
        }
        else
        {
            Remove(image);
        }
    }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        if (!Selects)
        {
            return;
        }

        var rule = new RetentionRule
        {
            KeepLast = GetGiven(KeepLast, nameof(KeepLast)),
            OlderThan = GetGiven(OlderThan, nameof(OlderThan)),
            MaximumSize = GetGiven(MaximumSize, nameof(MaximumSize)),
        };
        RetentionSelection selection = ImageRetention.Select(_given, rule, DateTimeOffset.Now);
        foreach ((CracImage image, string reason) in selection.Kept)
        {
            WriteVerbose($"{image.Path} stays: {reason}.");
        }

        foreach (CracImage image in selection.Removed)
        {
            ForItem(image, () => Remove(image));
        }
    }

    private void Remove(CracImage image)
    {
        if (!ShouldProcess(image.Path, "Remove image"))
        {
            return;
        }

        IReadOnlyList<string> left = ImageRemoval.Remove(image, Force);
        if (left.Count > 0)
        {
            WriteWarning($"{image.Path} was not only an image: {string.Join(", ", left)} {(left.Count == 1 ? "was" : "were")} left there.");
        }
    }
}
