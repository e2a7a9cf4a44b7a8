namespace PSCrac.Preflight.Subjects;

/// <summary>
/// A rule about one thing that a restore needs. It compares an image with this machine and adds findings; it changes nothing.
/// </summary>
internal abstract class ImageRule
{
    internal abstract void Examine(ImageSubject subject);
}
